// SPDX-License-Identifier: MIT
// tokenizer_train.h - a tokenizer from files of training data. Public: tdl_tokenizer_train in treadle.h.
//
// The text is what training would see: documents of a text file without the NUL bytes between them, and of records the
// same texts in the same template as the trainer sees. How it is learned: token/bpe_train.h.
#ifndef TDL_TRAIN_TOKENIZER_TRAIN_H
#define TDL_TRAIN_TOKENIZER_TRAIN_H

#include "treadle.h"

#define TDL_END_OF_TEXT "<|endoftext|>" // the first special token of every tokenizer trained here: id 0

#endif
