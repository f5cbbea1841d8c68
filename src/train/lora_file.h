// SPDX-License-Identifier: MIT
// lora_file.h - writes LoRA adapters as a directory of PEFT's; model/lora.h reads them.
#ifndef TDL_TRAIN_LORA_FILE_H
#define TDL_TRAIN_LORA_FILE_H

#include "model/lora.h"

// dir is made where it is not there. All pairs have one rank; their own `scale` is not used. base: the name or path of the
// model, for PEFT to find; NULL: "". Errors: ARGUMENT, UNSUPPORTED (a matrix that Hugging Face's names do not have), IO, MEMORY.
tdl_status tdl_lora_save(const tdl_model *model, const tdl_lora *lora, const char *base, const char *dir,
                         tdl_error *err);

#endif
