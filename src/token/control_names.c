// SPDX-License-Identifier: MIT
// control_names.c - the list, as models spell these tokens.
//
// Converters have written some of them as ordinary or as added tokens; then a generation would not end, and markers would be
// printed. llama.cpp keeps such a list too ("control-looking token", src/llama-vocab.cpp), and files are made to suit it: this
// one has the same tokens. `</s>` is also how HTML ends struck-out text, so that one counts only where its file says control.
#include "token/control_names.h"

#include <string.h>

static const struct {
    const char *text;
    tdl_control_name name;
} names[] = {
    {"</s>", TDL_CONTROL_NAME_TYPED},
    {"<|eot_id|>", TDL_CONTROL_NAME_END},
    {"<|eom_id|>", TDL_CONTROL_NAME_END},
    {"<|im_end|>", TDL_CONTROL_NAME_END},
    {"<|end|>", TDL_CONTROL_NAME_END},
    {"<|return|>", TDL_CONTROL_NAME_END},
    {"<|call|>", TDL_CONTROL_NAME_END},
    {"<|calls|>", TDL_CONTROL_NAME_END},
    {"<|flush|>", TDL_CONTROL_NAME_END},
    {"<end_of_turn>", TDL_CONTROL_NAME_END},
    {"<|endoftext|>", TDL_CONTROL_NAME_END},
    {"<|end_of_text|>", TDL_CONTROL_NAME_END},
    {"<end_of_utterance>", TDL_CONTROL_NAME_END},
    {"<EOT>", TDL_CONTROL_NAME_END},
    {"_<EOT>", TDL_CONTROL_NAME_END},
    {"[EOT]", TDL_CONTROL_NAME_END},
    {"[EOS]", TDL_CONTROL_NAME_END},
    {"<eos>", TDL_CONTROL_NAME_END},
    {"<turn|>", TDL_CONTROL_NAME_END},
    {"<|tool_response>", TDL_CONTROL_NAME_END},
    {"[e~[", TDL_CONTROL_NAME_END},
    {"<｜end▁of▁sentence｜>", TDL_CONTROL_NAME_END},
    {"<|fim_prefix|>", TDL_CONTROL_NAME_FILL},
    {"<fim-prefix>", TDL_CONTROL_NAME_FILL},
    {"<fim_prefix>", TDL_CONTROL_NAME_FILL},
    {"<｜fim▁begin｜>", TDL_CONTROL_NAME_FILL},
    {"<PRE>", TDL_CONTROL_NAME_FILL},
    {"▁<PRE>", TDL_CONTROL_NAME_FILL},
    {"<|fim_suffix|>", TDL_CONTROL_NAME_FILL},
    {"<fim-suffix>", TDL_CONTROL_NAME_FILL},
    {"<fim_suffix>", TDL_CONTROL_NAME_FILL},
    {"<｜fim▁hole｜>", TDL_CONTROL_NAME_FILL},
    {"<SUF>", TDL_CONTROL_NAME_FILL},
    {"▁<SUF>", TDL_CONTROL_NAME_FILL},
    {"<|fim_middle|>", TDL_CONTROL_NAME_FILL},
    {"<fim-middle>", TDL_CONTROL_NAME_FILL},
    {"<fim_middle>", TDL_CONTROL_NAME_FILL},
    {"<｜fim▁end｜>", TDL_CONTROL_NAME_FILL},
    {"<MID>", TDL_CONTROL_NAME_FILL},
    {"▁<MID>", TDL_CONTROL_NAME_FILL},
    {"<|fim_pad|>", TDL_CONTROL_NAME_FILE},
    {"<fim-pad>", TDL_CONTROL_NAME_FILE},
    {"<fim_pad>", TDL_CONTROL_NAME_FILE},
    {"<|fim_repo|>", TDL_CONTROL_NAME_FILE},
    {"<|repo_name|>", TDL_CONTROL_NAME_FILE},
    {"<fim-repo>", TDL_CONTROL_NAME_FILE},
    {"<REPO>", TDL_CONTROL_NAME_FILE},
    {"<reponame>", TDL_CONTROL_NAME_FILE},
    {"<|file_sep|>", TDL_CONTROL_NAME_FILE},
};

tdl_control_name tdl_control_name_of(tdl_text token) {
    enum { NAME_SIZE_MIN = 4, NAME_SIZE_MAX = 32 };
    if (token.size < NAME_SIZE_MIN || token.size > NAME_SIZE_MAX) return TDL_CONTROL_NAME_NONE;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (token.ptr[0] == names[i].text[0] && tdl_text_is(token, names[i].text)) return names[i].name;
    return TDL_CONTROL_NAME_NONE;
}
