// SPDX-License-Identifier: MIT
// pretokenizer_names.c - the pre-tokenizers that GGUF files name in tokenizer.ggml.pre.
//
// A GGUF file does not carry its tokenizer's regexes, only a name that llama.cpp's converter gave to them. The patterns
// are those of the models' own tokenizer.json files. Several models share one; a name is a model's, not a pattern's.
// In patterns of several steps each cuts the pieces that the ones before it left.
#include "token/pretokenize.h"

#include <string.h>

#define SUFFIXES "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NEWLINES "\\s*[\\r\\n]+"
#define SPACES_BUT_ONE "\\s+(?!\\S)|\\s+" // the last space before a word belongs to the word
// The alternation of GPT-4 and its descendants, which differ in how many digits make a group.
#define CL100K(digits) \
    SUFFIXES "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" NEWLINES "|" SPACES_BUT_ONE
// Words in which an upper-case beginning is followed by lower case; o200k attaches the suffixes to them.
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K(suffixes, digits)                                                                                  \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffixes "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffixes \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" NEWLINES "|" SPACES_BUT_ONE
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|" SPACES_BUT_ONE
#define DEEPSEEK_WORDS                                                                                  \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*|" NEWLINES "|" SPACES_BUT_ONE
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"
#define REGEXES(...) \
    (const char *const[]) { __VA_ARGS__, NULL }

static const tdl_named_pretokenizer named[] = {
    {"|default|", REGEXES("[\\p{P}$+<=>^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"), false, false},
    {"|gpt-2|phi-2|mpt|olmo|jais|trillion|granite-docling|jina-es|jina-de|jina-v2-es|jina-v2-de|gigachat|a.x-4.0|"
     "mellum|"
     "modern-bert|exaone4|jina-v1-en|jina-v2-code|roberta-bpe|",
     REGEXES(GPT2), false, false},
    {"|starcoder|refact|command-r|smollm|codeshell|exaone|minerva-7b|mellum2|", REGEXES("\\p{N}", GPT2), false, false},
    {"|llama-bpe|llama3|llama-v3|falcon3|falcon-h1|pixtral|midm-2.0|lfm2|jina-v5-nano|", REGEXES(CL100K("\\p{N}{1,3}")),
     true, true},
    {"|glm4|glm5|", REGEXES(CL100K("\\p{N}{1,3}")), true, false},
    {"|dbrx|smaug-bpe|chatglm-bpe|", REGEXES(CL100K("\\p{N}{1,3}")), false, false},
    {"|qwen2|qwen2.5|qwen3|deepseek-r1-qwen|megrez|stablelm2|hunyuan|solar-open|kormo|f2llmv2|grok-2|",
     REGEXES(CL100K("\\p{N}")), false, false},
    {"|qwen35|",
     REGEXES(SUFFIXES "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" NEWLINES
                      "|" SPACES_BUT_ONE),
     false, false},
    {"|seed-coder|",
     REGEXES(SUFFIXES "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" NEWLINES "|" SPACES_BUT_ONE),
     false, false},
    {"|bailingmoe|bailingmoe2|llada-moe|",
     REGEXES("'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|"
             "\\s+(?!\\S)|\\s+"),
     false, false},
    {"|deepseek-v3|hunyuan-dense|joyai-llm|hy_v4|",
     REGEXES("\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+", DEEPSEEK_WORDS), false,
     false},
    {"|deepseek-coder|", REGEXES("[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"), false, false},
    {"|deepseek-llm|",
     REGEXES("[\\r\\n]",
             "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-"
             "Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\\x{1F7D}ᾀ-ᾴᾶ-ᾼ\\x{1FBE}ῂ-ῄῆ-ῌῐ-\\x{1FD3}ῖ-\\x{1FDB}ῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ"
             "\\x{2126}ℨ\\x{212A}-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀"
             "-𐳲𑢠-𑣟𞤀-𞥃]+",
             "\\s?[!-/:-~！-／：-～‘-‟\\x{3000}-。]+", "\\s+$", CJK, "\\p{N}+"),
     false, false},
    {"|falcon|", REGEXES("[\\p{P}$+<=>^~|`]+", GPT2, "[0-9][0-9][0-9]"), false, false},
    {"|tekken|", REGEXES(O200K("", "\\p{N}")), true, true},
    {"|gpt-4o|llama4|kanana2|talkie|minimax-m2|", REGEXES(O200K(SUFFIXES "?", "\\p{N}{1,3}")), false, false},
    {"|poro-chat|bloom|gpt3-finnish|", REGEXES(" ?[^(\\s|.,!?…。，、।۔،)]+"), false, false},
    {"|viking|", REGEXES(" ?[^(\\s|.,!?…。，、।۔،)]+", "\\p{N}"), false, false},
};

const tdl_named_pretokenizer *tdl_named_pretokenizer_find(const char *name) {
    size_t size = strlen(name);
    if (size == 0 || strchr(name, '|')) return NULL;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        for (const char *at = named[i].names; at[1];) {
            const char *bar = strchr(at + 1, '|');
            if ((size_t)(bar - at - 1) == size && memcmp(at + 1, name, size) == 0) return &named[i];
            at = bar;
        }
    }
    return NULL;
}

bool tdl_pretokenizer_wants_bos(const char *pre) {
    const tdl_named_pretokenizer *found = tdl_named_pretokenizer_find(pre);
    return found && found->wants_bos;
}
