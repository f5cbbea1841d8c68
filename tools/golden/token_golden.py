#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes test/data/token: small tokenizers and what independent implementations do with them.

Needs the PyPI packages tokenizers, sentencepiece and gguf. Training text: a file given on the command line (any English
text of about 200 kB). Re-running gives the same files for the same package versions and text; ORIGIN.md records both.

    python tools/golden/token_golden.py TEXT
"""
import io
import json
import pathlib
import sys

import gguf
import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).resolve().parents[2] / "test" / "data" / "token"

TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n \n", "Hello", " Hello", "  Hello", "Hello world", "Hello World!",
    "Hello, y'all! I'M sure we'LL see it's they'd've DON'T", "The quick brown fox jumps over the lazy dog.",
    "1", "12", "123", "1234567", "3.14159 and 1,000,000", "a1b22c333", "٣٤٥ ½ Ⅻ", "don\u2019t \u017fs '\u017f",
    "def f(x):\n    return x ** 2  # square\n\n\nprint(f(3))\n", "tabs\t\tand\tmore", "trailing   ", "   leading",
    "a" * 100, " " * 64 + "x", "\n" * 33, "\n \n  \n   x", "!!!???...", "/* c */ // +=-*/ <|>{}[]()", "snake_case CamelCase HTTPServer",
    "caf\u00e9 cafe\u0301 \u212b \ufb01ne \u1e9b\u0323", "q\u0307\u0323 q\u0323\u0307 \u0344", "\u1112\u1161\u11ab\u1100\u1173\u11af 한글",
    "Zürich straße ÀÉÎÕÜ Ǆ ǅ İstanbul", "Привет, мир! ЁЛКИ", "Γειά σου Κόσμε", "你好，世界！今天天气很好。", "こんにちは世界カタカナ",
    "שלום עולם", "مرحبا بالعالم", "नमस्ते दुनिया", "កាន់តែពិសេសអាចខលចេញ", "ไทยภาษา",
    "\U0001F600 \U0001F468\u200d\U0001F469\u200d\U0001F467 \U0001F1E9\U0001F1EA \u2764\ufe0f", "🚀 (normal) 😶‍🌫️ (multiple emojis concatenated) ✅",
    "nul\x00byte \x01\x02\x7f", "\u00a0nbsp\u00a0 \u2003em\u3000ideographic", "line\u2028sep\u2029para\u0085nel", "\u180emongolian \u200bzwsp \ufeffbom",
    "<s>Hello</s>", "<s> Hello </s> world", "<|im_start|>user\nHi<|im_end|>\n", "a<tool>b", "a <tool>  b", "  <tool>", "x<word>y <word> z",
    "\u2581already\u2581there \u2581", "<0x41><0x0A>", "mixed\u4e2d文English混合123テスト", "\u0301leading mark", "e" + "\u0301\u0323" * 40,
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐐀𐐨 𞤀", "“quotes” ‘single’ — dash … ellipsis", "emptyish\u200d\u200d", "user@example.com https://x.y/z?a=b&c=d#e",
]

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
END = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
LEAD = r"[^\r\n\p{L}\p{N}]?"
# The splits in the models' own tokenizer.json files, by the name GGUF gives them.
PRETOKENIZERS = {
    "gpt-2": [GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "smollm": [r"\p{N}", GPT2],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
                    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"],
    "tekken": [f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*|\\p{{N}}{END}"],
    "gpt-4o": [f"{LEAD}{UPPER}*{LOWER}+{SUFFIX}|{LEAD}{UPPER}+{LOWER}*{SUFFIX}|\\p{{N}}{{1,3}}{END}"],
    "bloom": [r" ?[^(\s|[.,!?…。，、।۔،])]+"],
}


def hexed(text):
    return (text if isinstance(text, bytes) else text.encode()).hex()


def write(name, value):
    with open(OUT / name, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=True, indent=None, separators=(",", ":"))
        f.write("\n")


def train(text, model, pre, normalizer=None, size=420, specials=(), alphabet=()):
    t = Tokenizer(model)
    t.pre_tokenizer = pre
    if normalizer:
        t.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=list(specials), initial_alphabet=list(alphabet),
                                  limit_alphabet=max(120, len(alphabet)), show_progress=False)
    t.train_from_iterator([text], trainer)
    return t


def remodel(t, **options):
    """The same vocabulary and merges under other model options."""
    d = json.loads(t.to_str())
    d["model"].update(options)
    return Tokenizer.from_str(json.dumps(d))


def byte_level(text, pre, normalizer=None, specials=(), **options):
    t = train(text, models.BPE(), pre, normalizer, size=500, specials=specials, alphabet=pre_tokenizers.ByteLevel.alphabet())
    t.decoder = decoders.ByteLevel()
    return remodel(t, **options) if options else t


def template(t, token):
    i = t.token_to_id(token)
    t.post_processor = processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A $B", special_tokens=[(token, i)])


def make_tokenizers(text):
    made = {}
    t = byte_level(text, pre_tokenizers.ByteLevel(add_prefix_space=False), specials=["<|endoftext|>"])
    t.add_tokens([AddedToken("<tool>", lstrip=True, rstrip=True, normalized=False), AddedToken("<word>", single_word=True)])
    made["gpt2"] = t

    t = byte_level(text, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                                                  pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                   specials=["<s>", "</s>"], ignore_merges=True)
    template(t, "<s>")
    made["llama3"] = t

    t = byte_level(text, pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"),
                                                  pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                   normalizers.NFC(), specials=["<|im_start|>", "<|im_end|>"])
    made["qwen2"] = t

    made["smollm"] = byte_level(text, pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                               pre_tokenizers.ByteLevel(add_prefix_space=True)]))

    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    legacy = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t = train(text.replace(" ", "▁"), models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True),
              pre_tokenizers.Split("▁", "merged_with_next"), size=640, specials=["<unk>", "<s>", "</s>"] + bytes_)
    d = json.loads(t.to_str())
    d["added_tokens"] = [a for a in d["added_tokens"] if not a["content"].startswith("<0x")]
    d["pre_tokenizer"] = None
    t = Tokenizer.from_str(json.dumps(d))
    plain = t.to_str()
    t.normalizer = legacy
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_tokens([AddedToken("<tool>", rstrip=True, normalized=True), AddedToken("<word>", single_word=True, normalized=False)])
    template(t, "<s>")
    made["llama2"] = t

    t = Tokenizer.from_str(plain)
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_tokens([AddedToken("<tool>", normalized=False)])
    made["mistral"] = t

    t = remodel(Tokenizer.from_str(plain), byte_fallback=False)
    t.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always", split=True)
    t.decoder = decoders.Metaspace("▁", prepend_scheme="always", split=True)
    made["metaspace"] = t

    t = train(text, models.BPE(unk_token="[UNK]"), pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("isolated"),
              pre_tokenizers.Digits(False)]),
              normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()]),
              size=300, specials=["[UNK]"])
    made["words"] = t

    for name, t in made.items():
        d = json.loads(t.to_str())
        if name == "gpt2":  # the older way to write merges
            d["model"]["merges"] = [" ".join(m) for m in d["model"]["merges"]]
        with open(OUT / f"{name}.tokenizer.json", "w", encoding="utf-8") as f:
            json.dump(d, f, ensure_ascii=False, separators=(",", ":"))
            f.write("\n")
        t = Tokenizer.from_str(json.dumps(d))
        cases = []
        for s in TEXTS:
            e = t.encode(s)
            cases.append({"text": hexed(s), "ids": e.ids, "decoded": hexed(t.decode(e.ids, skip_special_tokens=False))})
        write(f"{name}.golden.json", cases)


def make_pieces():
    cases = []
    for name, patterns in PRETOKENIZERS.items():
        pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(p), "isolated") for p in patterns])
        for s in TEXTS:
            if s:
                cases.append({"name": name, "text": hexed(s), "pieces": [hexed(p) for p, _ in pre.pre_tokenize_str(s)]})
    write("pieces.golden.json", cases)
    cases = []
    behaviors = ["isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"]
    for i, behavior in enumerate(behaviors):
        for invert in (False, True):
            for pattern, regex in (("-", False), (r"[0-9-]", True), (r"\d*", True), (r"(?=b)", True)):
                for s in ("", "-", "a-b", "--a--b--", "12-ab-3", "the-final--countdown", "b", "ab", "é-ü"):
                    pre = pre_tokenizers.Split(Regex(pattern) if regex else pattern, behavior, invert)
                    cases.append({"behavior": i, "invert": invert, "pattern": pattern, "regex": regex, "text": hexed(s),
                                  "pieces": [hexed(p) for p, _ in pre.pre_tokenize_str(s)]})
    # Anchors are those of lines.
    for pattern in (r"\s+$", r"^a", r"a$", r"b.", r"\Aa", r"\h+", r"[\h_]+"):
        for s in ("a \n b  ", "a  \n\n  \na", "  a\nb\r\na", " \n ", "ab\n\tab12_c", "x  ", "x \n  \n   y"):
            pre = pre_tokenizers.Split(Regex(pattern), "isolated")
            cases.append({"behavior": 0, "invert": False, "pattern": pattern, "regex": True, "text": hexed(s),
                          "pieces": [hexed(p) for p, _ in pre.pre_tokenize_str(s)]})
    write("splits.golden.json", cases)


def make_normalized():
    kinds = [None, normalizers.NFC(), normalizers.NFD(), normalizers.NFKC(), normalizers.NFKD(), normalizers.Lowercase(),
             normalizers.StripAccents(), normalizers.Strip()]
    cases = [{"kind": i, "text": hexed(s), "normalized": hexed(n.normalize_str(s))}
             for i, n in enumerate(kinds) if n for s in TEXTS]
    write("normalized.golden.json", cases)


def make_spm(text):
    """A SentencePiece model, the GGUF file a converter would make of it, and SentencePiece's own ids."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.splitlines()), model_writer=model, model_type="bpe", vocab_size=600, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True, character_coverage=0.9995,
        minloglevel=2, num_threads=1)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    n = sp.get_piece_size()
    kinds = [2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1 for i in range(n)]
    w = gguf.GGUFWriter(str(OUT / "spm.gguf"), "llama")
    w.add_context_length(64)
    w.add_embedding_length(8)
    w.add_block_count(1)
    w.add_feed_forward_length(8)
    w.add_head_count(1)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model("llama")
    w.add_tokenizer_pre("default")
    w.add_token_list([sp.id_to_piece(i) for i in range(n)] + ["<tool>"])
    w.add_token_scores([sp.get_score(i) for i in range(n)] + [0.0])
    w.add_token_types(kinds + [4])
    w.add_bos_token_id(sp.bos_id())
    w.add_eos_token_id(sp.eos_id())
    w.add_unk_token_id(sp.unk_id())
    w.add_add_bos_token(True)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.close()
    cases = [{"text": hexed(s), "ids": sp.encode(s), "decoded": hexed(sp.decode(sp.encode(s)))} for s in TEXTS if "<tool>" not in s]
    write("spm.golden.json", cases)


def main():
    text = open(sys.argv[1], encoding="utf-8").read()[:200_000]
    OUT.mkdir(parents=True, exist_ok=True)
    make_tokenizers(text)
    make_pieces()
    make_normalized()
    make_spm(text)
    print("tokenizers", tokenizers.__version__, "sentencepiece", sentencepiece.__version__)


main()
