// SPDX-License-Identifier: MIT
// log_sum_exp.wgsl - of a row of logits, read once: each of 256 invocations keeps the largest logit it has met and the sum of
// exponentials below it; then they are put together.
const LOWEST: f32 = -3.0e38;

fn largest_of(values: vec4<f32>) -> f32 { return max(max(values.x, values.y), max(values.z, values.w)); }

// (largest, log of the sum of exp(logit - largest)); all invocations of the workgroup call it.
fn log_sum_exp(row: u32, n: u32, lane: u32) -> vec2<f32> {
    var largest = LOWEST;
    var total = 0.0;
    var i = lane;
    for (; i + 768u < n; i += 1024u) {
        let at = row + i;
        let four = vec4<f32>(logits[at], logits[at + 256u], logits[at + 512u], logits[at + 768u]);
        let next = max(largest, largest_of(four));
        total = total * exp(largest - next) + dot(exp(four - next), vec4<f32>(1.0));
        largest = next;
    }
    for (; i < n; i += 256u) {
        let value = logits[row + i];
        let next = max(largest, value);
        total = total * exp(largest - next) + exp(value - next);
        largest = next;
    }
    let all_largest = group_max(lane, largest);
    return vec2<f32>(all_largest, log(group_sum(lane, total * exp(largest - all_largest))));
}
