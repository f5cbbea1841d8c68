// SPDX-License-Identifier: MIT
// loss_page.c - see loss_page.h. The page is a text of constant HTML with one JSON object in it.
//
// Titles come from users and may hold anything: the object's "<" are written as \u003c, so that nothing in it can end the
// script, and the page sets texts, never HTML.
#include "train/loss_page.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

enum { POINTS_MAX = 2000 };

static const char head[] =
    "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1c1c1e;--dim:#6c6c70;--grid:#e5e5ea;--train:#2563eb;--val:#d9480f}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#16181c;--fg:#e6e6e8;--dim:#98989d;--grid:#2e3138;--train:#6ea8fe;"
    "--val:#ff9f5a}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:64rem;"
    "padding:0 1rem}\n"
    "h1{font-size:1.25rem;margin:0}h2{font-size:.95rem;margin:1.2rem 0 .2rem;font-weight:600}\n"
    "p{margin:.2rem "
    "0;color:var(--dim)}pre{font-size:.85rem;color:var(--dim);white-space:pre-wrap}label{margin-right:1.2rem}svg{"
    "display:block;width:100%;touch-action:none}\n"
    "text{fill:var(--dim);font-size:12px;font-variant-numeric:tabular-nums}.grid{stroke:var(--grid)}\n"
    "path{fill:none;stroke-width:1.8;stroke-linejoin:round}.raw{opacity:.3;stroke-width:1}.tip{fill:var(--fg)}\n"
    ".box{fill:var(--bg);stroke:var(--grid)}i{display:inline-block;width:1.2em;height:3px;vertical-align:middle;"
    "margin-right:.3em}\n</style>\n"
    "<h1 id=\"title\"></h1><p id=\"now\"></p>\n"
    "<p><label><input type=\"checkbox\" id=\"log\"> logarithmic loss</label><label><input type=\"checkbox\" "
    "id=\"smooth\" "
    "checked> smoothed</label><i style=\"background:var(--train)\"></i>training &nbsp; "
    "<i style=\"background:var(--val)\"></i>validation</p>\n<div id=\"charts\"></div>\n<h2 id=\"of\"></h2><pre "
    "id=\"run\"></pre>\n<script>\nconst D=";

static const char tail[] =
    ";\n"
    "const $=id=>document.getElementById(id),NS='http://www.w3.org/2000/svg';\n"
    "const make=(parent,name,attrs,text)=>{const e=document.createElementNS(NS,name);\n"
    "  for(const k in attrs)e.setAttribute(k,attrs[k]);if(text!==undefined)e.textContent=text;parent.append(e);return "
    "e};\n"
    "const show=v=>v==null?'':Math.abs(v)>=1e5||v&&Math.abs(v)<1e-3?v.toExponential(2):String(+v.toPrecision(5));\n"
    "function ticks(a,b,n,log){const out=[];\n"
    "  if(log){for(let e=Math.floor(Math.log10(a));e<=Math.ceil(Math.log10(b));e++)for(const m of [1,2,5]){\n"
    "    const v=m*10**e;if(v>=a&&v<=b)out.push(v)}if(out.length>1)return out;out.length=0}\n"
    "  const raw=(b-a)/n||1,base=10**Math.floor(Math.log10(raw));\n"
    "  const step=base*([1,2,5].find(m=>m*base>=raw)||10);\n"
    "  for(let v=Math.ceil(a/step)*step;v<=b+step*1e-9;v+=step)out.push(+v.toPrecision(12));return out}\n"
    "function smoothed(pts){const n=pts.length,sum=[0];for(const p of pts)sum.push(sum[sum.length-1]+p[1]);\n"
    "  return pts.map((p,i)=>{const k=Math.min(i,n-1-i,Math.ceil(n/60));return[p[0],(sum[i+k+1]-sum[i-k])/(2*k+1)]})}\n"
    "function chart(name,height,series,log){\n"
    "  "
    "series=series.map(s=>({...s,pts:s.pts.filter(p=>Number.isFinite(p[1])&&(!log||p[1]>0))})).filter(s=>s.pts.length);"
    "\n"
    "  if(!series.length)return;\n"
    "  const h=document.createElement('h2');h.textContent=name;$('charts').append(h);\n"
    "  const W=Math.max(320,$('charts').clientWidth),H=height,L=64,R=28,T=8,B=24;\n"
    "  const svg=make($('charts'),'svg',{viewBox:`0 0 ${W} ${H}`,height:H});\n"
    "  const all=series.flatMap(s=>s.pts);let x0=Infinity,x1=-Infinity,y0=Infinity,y1=-Infinity;\n"
    "  for(const [x,y] of all){x0=Math.min(x0,x);x1=Math.max(x1,x);y0=Math.min(y0,y);y1=Math.max(y1,y)}\n"
    "  if(x0==x1)x1=x0+1;\n"
    "  if(log){y0/=1.03;y1*=1.03}else{const pad=(y1-y0)*.04||Math.abs(y1)*.1||1;y0-=pad;y1+=pad}\n"
    "  const f=log?Math.log:v=>v,X=x=>L+(x-x0)/(x1-x0)*(W-L-R),Y=y=>T+(f(y1)-f(y))/(f(y1)-f(y0))*(H-T-B);\n"
    "  for(const v of ticks(y0,y1,5,log)){make(svg,'line',{x1:L,x2:W-R,y1:Y(v),y2:Y(v),class:'grid'});\n"
    "    make(svg,'text',{x:L-6,y:Y(v)+4,'text-anchor':'end'},show(v))}\n"
    "  for(const v of ticks(x0,x1,8)){make(svg,'line',{x1:X(v),x2:X(v),y1:T,y2:H-B,class:'grid'});\n"
    "    make(svg,'text',{x:X(v),y:H-7,'text-anchor':'middle'},v)}\n"
    "  const line=(pts,color,cls)=>make(svg,'path',{stroke:color,class:cls,\n"
    "    d:pts.map((p,i)=>(i?'L':'M')+X(p[0]).toFixed(1)+' '+Y(p[1]).toFixed(1)).join('')});\n"
    "  for(const s of "
    "series){if(s.smooth&&$('smooth').checked){line(s.pts,s.color,'raw');line(smoothed(s.pts),s.color,'')}\n"
    "    else line(s.pts,s.color,'');\n"
    "    if(s.dots)for(const p of s.pts)make(svg,'circle',{cx:X(p[0]),cy:Y(p[1]),r:2.5,fill:s.color})}\n"
    "  const tip=make(svg,'g',{visibility:'hidden'}),bar=make(tip,'line',{y1:T,y2:H-B,stroke:'var(--dim)'});\n"
    "  const box=make(tip,'rect',{rx:4,class:'box'}),label=make(tip,'text',{class:'tip'});\n"
    "  svg.onpointerleave=()=>tip.setAttribute('visibility','hidden');\n"
    "  svg.onpointermove=e=>{const "
    "r=svg.getBoundingClientRect(),x=x0+((e.clientX-r.left)*W/r.width-L)/(W-L-R)*(x1-x0);\n"
    "    const near=series.map(s=>s.pts.reduce((a,b)=>Math.abs(b[0]-x)<Math.abs(a[0]-x)?b:a));\n"
    "    const at=near.reduce((a,b)=>Math.abs(b[0]-x)<Math.abs(a[0]-x)?b:a)[0];\n"
    "    label.replaceChildren();make(label,'tspan',{},`step ${at}`);\n"
    "    series.forEach((s,i)=>make(label,'tspan',{x:0,dy:15},`${s.name} ${show(near[i][1])}`+\n"
    "      (near[i][0]!=at?` at ${near[i][0]}`:'')));\n"
    "    const w=label.getBBox().width,left=X(at)+w+24>W?X(at)-w-14:X(at)+10;\n"
    "    for(const t of label.children)t.setAttribute('x',left+4);label.setAttribute('y',T+18);\n"
    "    const b=label.getBBox();for(const [k,v] of "
    "Object.entries({x:b.x-5,y:b.y-3,width:b.width+10,height:b.height+6}))\n"
    "      box.setAttribute(k,v);\n"
    "    bar.setAttribute('x1',X(at));bar.setAttribute('x2',X(at));tip.setAttribute('visibility','visible')}}\n"
    "const column=key=>D.step.map((s,i)=>[s,D[key][i]]).filter(p=>p[1]!==null);\n"
    "function draw(){$('charts').replaceChildren();\n"
    "  chart('loss',380,[{name:'training',pts:column('loss'),color:'var(--train)',smooth:true},\n"
    "    {name:'validation',pts:D.val,color:'var(--val)',dots:true}],$('log').checked);\n"
    "  for(const [key,name] of [['lr','learning rate'],['grad_norm','gradient norm'],['tokens_per_s','tokens per "
    "second']])\n"
    "    chart(name,150,[{name,pts:column(key),color:'var(--train)'}],false)}\n"
    "document.title=$('title').textContent=D.title;\n"
    "if(D.last)$('now').textContent=`step ${D.last.step}, loss ${show(D.last.loss)}`+\n"
    "  (D.val.length?`, validation ${show(D.val[D.val.length-1][1])} at step ${D.val[D.val.length-1][0]}`:'')+\n"
    "  `, learning rate ${show(D.last.lr)}, ${Math.round(D.last.tokens_per_s)} tokens/s`;\n"
    "if(D.run){$('of').textContent='this run';$('run').textContent=Object.entries(D.run).map(([k,v])=>k=='notes'?v:\n"
    "  k.padEnd(18)+(v&&typeof v=='object'?Array.isArray(v)?v.join(' '):Object.entries(v).map(e=>e.join(' ')).join(', "
    "'):v))\n"
    "  .filter(s=>s).join('\\n')}\n"
    "$('log').onchange=$('smooth').onchange=onresize=draw;draw();\n"
    "</script></html>\n";

static json_t *make_data(const char *title, const char *run, const tdl_run_line *lines, size_t n);
static bool add_point(json_t *data, const tdl_run_line *lines, size_t n);
static json_t *number(double value);
static int append_escaped(const char *text, size_t size, void *str);

tdl_status tdl_loss_page_write(const tdl_allocator *mem, const char *path, const char *title, const char *run,
                               const tdl_run_line *lines, size_t n, tdl_error *err) {
    tdl_file_writer *file = NULL;
    tdl_str page = tdl_str_make(mem);
    json_t *data = make_data(title, run, lines, n);
    tdl_status status;
    tdl_str_append(&page, head, sizeof head - 1);
    if (!data || json_dump_callback(data, append_escaped, &page, JSON_COMPACT | JSON_REAL_PRECISION(7)) != 0 ||
        !tdl_str_append(&page, tail, sizeof tail - 1)) {
        status = tdl_fail(err, TDL_ERROR_MEMORY, "loss page: no memory for %zu steps", n);
        goto cleanup;
    }
    status = tdl_file_writer_open(mem, path, &file, err);
    if (status == TDL_OK) status = tdl_file_writer_write(file, page.ptr, page.size, err);
    if (status == TDL_OK) status = tdl_file_writer_commit(file, err);
    else tdl_file_writer_abort(file);
cleanup:
    json_decref(data);
    tdl_str_deinit(&page);
    return status;
}

// {"title", "run": {..}, "last": {..}, "val": [[step, loss]..], and a column each: "step", "loss", ..}
static json_t *make_data(const char *title, const char *run, const tdl_run_line *lines, size_t n) {
    json_t *data = json_pack("{s:s, s:[], s:[], s:[], s:[], s:[], s:[]}", "title", title, "val", "step", "loss", "lr",
                             "tokens_per_s", "grad_norm");
    size_t bucket = n / POINTS_MAX + 1;
    bool ok = data;
    for (size_t i = 0; i < n && ok; i += bucket) ok = add_point(data, lines + i, n - i < bucket ? n - i : bucket);
    if (ok && n) {
        const tdl_run_line *last = &lines[n - 1];
        json_t *object = json_pack("{s:I, s:o, s:o, s:o}", "step", (json_int_t)last->step, "loss", number(last->loss),
                                   "lr", number(last->lr), "tokens_per_s", number(last->tokens_per_s));
        ok = json_object_set_new(data, "last", object) == 0;
    }
    if (ok && run) ok = json_object_set_new(data, "run", json_loads(run, 0, NULL)) == 0;
    if (ok) return data;
    json_decref(data);
    return NULL;
}

// One point for n neighbouring steps: means, at the last step. Every validation is kept.
static bool add_point(json_t *data, const tdl_run_line *lines, size_t n) {
    double loss = 0, speed = 0, norm = 0;
    size_t n_norms = 0, n_losses = 0;
    bool ok = true;
    for (size_t i = 0; i < n; i++) {
        bool counted = isfinite(lines[i].loss) || !lines[i].has_n_counted || lines[i].n_counted;
        loss += counted ? lines[i].loss : 0;
        n_losses += counted;
        speed += lines[i].tokens_per_s;
        norm += lines[i].has_grad_norm ? lines[i].grad_norm : 0;
        n_norms += lines[i].has_grad_norm;
        if (lines[i].has_val_loss)
            ok = ok &&
                 json_array_append_new(json_object_get(data, "val"),
                                       json_pack("[I, o]", (json_int_t)lines[i].step, number(lines[i].val_loss))) == 0;
    }
    const tdl_run_line *last = &lines[n - 1];
    double count = (double)n;
    return ok && json_array_append_new(json_object_get(data, "step"), json_integer(last->step)) == 0 &&
           json_array_append_new(json_object_get(data, "loss"), number(loss / (double)n_losses)) == 0 &&
           json_array_append_new(json_object_get(data, "lr"), number(last->lr)) == 0 &&
           json_array_append_new(json_object_get(data, "tokens_per_s"), number(speed / count)) == 0 &&
           json_array_append_new(json_object_get(data, "grad_norm"),
                                 n_norms ? number(norm / (double)n_norms) : json_null()) == 0;
}

// JSON has no NaN and no infinity: null.
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static int append_escaped(const char *text, size_t size, void *str) {
    for (size_t i = 0; i < size; i++)
        if (!(text[i] == '<' ? tdl_str_append(str, "\\u003c", 6) : tdl_str_append(str, text + i, 1))) return -1;
    return 0;
}
