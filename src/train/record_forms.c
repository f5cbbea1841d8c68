// SPDX-License-Identifier: MIT
// record_forms.c - the JSON of records: texts, prompts with completions, and conversations in three spellings. See data_record.h.
//
// A key that changes what a model would see (tools, images, reasoning ...) must not be passed over in silence, or the model
// learns to answer without it: such keys are refused by name where they are set. "Set" is neither null nor false nor empty.
// Keys of a record that nobody here knows are metadata; a message has few keys, so there an unknown one is refused.
#include "base/error.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/str.h"
#include "train/data_record.h"

#include <string.h>

enum { PLACE_SIZE = 400 }; // bytes of a place in a message

// How a list of messages is spelled.
typedef struct spelling {
    const char *list, *role, *content;
} spelling;

static const spelling spellings[] = {
    {"messages", "role", "content"}, {"conversations", "from", "value"}, {"conversations", "role", "content"}};

static tdl_status encode_object(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err);
static tdl_status encode_prompt(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err);
static tdl_status encode_text(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                              tdl_error *err);
static tdl_status encode_alpaca(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err);
static tdl_status encode_messages(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                  tdl_error *err);
static tdl_status encode_system(const json_t *root, const json_t *messages, const char *what,
                                const tdl_data_style *style, tdl_token_run *run, tdl_error *err);
static tdl_status encode_one(const json_t *message, const spelling *how, const char *place, const tdl_data_style *style,
                             tdl_token_run *run, tdl_error *err);
static tdl_status find_role(const json_t *message, const spelling *how, const char *place, tdl_text *out,
                            tdl_error *err);
static tdl_status find_weight(const json_t *message, bool answer, const char *place, bool *counted, tdl_error *err);
static tdl_status find_content(const json_t *message, const spelling *how, const char *place, tdl_str *out,
                               tdl_error *err);
static tdl_status check_message_keys(const json_t *message, const spelling *how, const char *place, tdl_error *err);
static tdl_status refuse_keys(const json_t *object, const char *const *keys, size_t n, const char *what,
                              tdl_error *err);
static tdl_status text_of(const json_t *object, const char *key, const char *what, tdl_text *out, tdl_error *err);

// Whether an id after the document's first is counted.
static bool learns(const tdl_token_run *run, size_t start) {
    size_t n = run->counted.n - start;
    return n > 1 && memchr(tdl_vec_at(&run->counted, uint8_t, start + 1), 1, n - 1);
}

tdl_status tdl_data_record_encode(tdl_text json, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                  tdl_error *err) {
    json_t *root = NULL;
    size_t n_ids = run->ids.n, n_starts = run->starts.n;
    tdl_status status = tdl_json_parse(json.ptr, json.size, what, &root, err);
    if (status != TDL_OK) return status;
    run->has_records = true;
    if (!json_is_object(root)) {
        status = tdl_fail(err, TDL_ERROR_FORMAT, "data: %s: expected a JSON object%s", what,
                          json_is_array(root) ? "; a file that is one array of records is named .json" : "");
    }
    if (status == TDL_OK) status = tdl_token_run_begin(run, style, err);
    size_t n_before = run->ids.n; // the token that a document begins with is no text
    if (status == TDL_OK) status = encode_object(root, what, style, run, err);
    json_decref(root);
    if (status == TDL_OK) run->counts.n_records++;
    if (status == TDL_OK && learns(run, n_ids)) return TDL_OK;
    if (status == TDL_OK) ++*(run->ids.n > n_before ? &run->counts.n_masked : &run->counts.n_empty);
    run->ids.n = run->counted.n = n_ids;
    run->starts.n = n_starts;
    return status;
}

static tdl_status encode_object(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err) {
    static const char *const refused[] = {"tools", "functions", "images", "videos", "audios", "history"};
    tdl_status status = refuse_keys(root, refused, sizeof refused / sizeof *refused, what, err);
    if (status != TDL_OK) return status;
    if (json_object_get(root, "messages") || json_object_get(root, "conversations"))
        return encode_messages(root, what, style, run, err);
    if (json_object_get(root, "prompt")) return encode_prompt(root, what, style, run, err);
    if (json_object_get(root, "text")) return encode_text(root, what, style, run, err);
    if (json_object_get(root, "instruction")) return encode_alpaca(root, what, style, run, err);
    return tdl_fail(err, TDL_ERROR_FORMAT,
                    "data: %s: expected \"text\", \"prompt\" with \"completion\", \"messages\", \"conversations\" or "
                    "\"instruction\" with \"output\"",
                    what);
}

static tdl_status encode_prompt(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err) {
    static const char *const refused[] = {"suffix", "system"};
    tdl_text prompt = {0}, completion = {0};
    tdl_status status = refuse_keys(root, refused, sizeof refused / sizeof *refused, what, err);
    if (status == TDL_OK) status = text_of(root, "prompt", what, &prompt, err);
    if (status == TDL_OK) status = text_of(root, "completion", what, &completion, err);
    if (status != TDL_OK || (prompt.size == 0 && completion.size == 0)) return status;
    run->counts.n_empty_answers += completion.size == 0;
    status = tdl_token_run_text(run, style, prompt, false, err);
    if (status == TDL_OK) status = tdl_token_run_text(run, style, completion, true, err);
    return status == TDL_OK ? tdl_token_run_end(run, style, err) : status;
}

static tdl_status encode_text(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                              tdl_error *err) {
    tdl_text text = {0};
    tdl_status status = text_of(root, "text", what, &text, err);
    if (status != TDL_OK || text.size == 0) return status;
    status = tdl_token_run_text(run, style, text, true, err);
    return status == TDL_OK ? tdl_token_run_end(run, style, err) : status;
}

// ---- conversations

// The question is the instruction and, after an empty line, the input where there is one.
static tdl_status encode_alpaca(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                tdl_error *err) {
    tdl_text instruction = {0}, input = {0}, output = {0};
    tdl_str question = tdl_str_make(run->ids.mem);
    tdl_status status = text_of(root, "instruction", what, &instruction, err);
    const json_t *more = json_object_get(root, "input");
    if (status == TDL_OK && more && !json_is_null(more)) status = text_of(root, "input", what, &input, err);
    if (status == TDL_OK) status = text_of(root, "output", what, &output, err);
    tdl_str_append(&question, instruction.ptr, instruction.size);
    if (input.size) tdl_str_append(&question, "\n\n", 2);
    tdl_str_append(&question, input.ptr, input.size);
    if (status == TDL_OK && question.failed)
        status = tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for the text of a record");
    if (status == TDL_OK && question.size + output.size > 0) {
        run->counts.n_empty_answers += output.size == 0;
        status = encode_system(root, NULL, what, style, run, err);
        if (status == TDL_OK)
            status = tdl_token_run_message(run, style, tdl_text_cstr("user"), tdl_text_of(question.ptr, question.size),
                                           false, err);
        if (status == TDL_OK) status = tdl_token_run_message(run, style, tdl_text_cstr("assistant"), output, true, err);
    }
    tdl_str_deinit(&question);
    return status;
}

static tdl_status encode_messages(const json_t *root, const char *what, const tdl_data_style *style, tdl_token_run *run,
                                  tdl_error *err) {
    const spelling *how = &spellings[json_object_get(root, "messages") ? 0 : 1];
    const json_t *messages = json_object_get(root, how->list);
    if (!json_is_array(messages)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s: \"%s\" is no array", what, how->list);
    }
    size_t n = json_array_size(messages);
    if (n > TDL_DATA_MESSAGES_MAX) {
        return tdl_fail(err, TDL_ERROR_LIMIT, "data: %s: %zu messages, at most %d", what, n, TDL_DATA_MESSAGES_MAX);
    }
    if (how != spellings && json_object_get(json_array_get(messages, 0), "role")) how = &spellings[2];
    tdl_status status = encode_system(root, messages, what, style, run, err);
    for (size_t i = 0; i < n && status == TDL_OK; i++) {
        char place[PLACE_SIZE];
        snprintf(place, sizeof place, "%s: message %zu", what, i + 1);
        status = encode_one(json_array_get(messages, i), how, place, style, run, err);
    }
    return status;
}

// The "system" beside a conversation is its first message.
static tdl_status encode_system(const json_t *root, const json_t *messages, const char *what,
                                const tdl_data_style *style, tdl_token_run *run, tdl_error *err) {
    const json_t *system = json_object_get(root, "system"), *first = json_array_get(messages, 0);
    tdl_text text = {0};
    if (!system || json_is_null(system)) return TDL_OK;
    tdl_status status = text_of(root, "system", what, &text, err);
    if (status != TDL_OK || text.size == 0) return status;
    const json_t *role =
        json_object_get(first, "role") ? json_object_get(first, "role") : json_object_get(first, "from");
    if (json_is_string(role) && strcmp(json_string_value(role), "system") == 0)
        return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s: \"system\" is given beside a first message of that role",
                        what);
    return tdl_token_run_message(run, style, tdl_text_cstr("system"), text, false, err);
}

static tdl_status encode_one(const json_t *message, const spelling *how, const char *place, const tdl_data_style *style,
                             tdl_token_run *run, tdl_error *err) {
    tdl_text role = {0};
    tdl_str content = tdl_str_make(run->ids.mem);
    bool counted = false;
    if (!json_is_object(message)) return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s: expected a JSON object", place);
    tdl_status status = find_role(message, how, place, &role, err);
    bool answer = tdl_text_is(role, "assistant");
    if (status == TDL_OK) status = check_message_keys(message, how, place, err);
    if (status == TDL_OK) status = find_weight(message, answer, place, &counted, err);
    if (status == TDL_OK) status = find_content(message, how, place, &content, err);
    if (status == TDL_OK && counted && content.size == 0) run->counts.n_empty_answers++;
    tdl_text text = tdl_text_of(content.size ? content.ptr : "", content.size);
    if (status == TDL_OK) status = tdl_token_run_message(run, style, role, text, counted, err);
    tdl_str_deinit(&content);
    return status;
}

// The role's name as templates write it. A role that nobody knows would be left uncounted for a typing error.
static tdl_status find_role(const json_t *message, const spelling *how, const char *place, tdl_text *out,
                            tdl_error *err) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", "function", "ipython"};
    static const char *const shared[][2] = {{"human", "user"},        {"user", "user"},           {"gpt", "assistant"},
                                            {"chatgpt", "assistant"}, {"bard", "assistant"},      {"bing", "assistant"},
                                            {"model", "assistant"},   {"assistant", "assistant"}, {"system", "system"}};
    tdl_text role = {0};
    tdl_status status = text_of(message, how->role, place, &role, err);
    if (status != TDL_OK) return status;
    bool sharegpt = how == &spellings[1];
    for (size_t i = 0; i < sizeof shared / sizeof *shared && sharegpt; i++) {
        if (!tdl_text_is(role, shared[i][0])) continue;
        *out = tdl_text_cstr(shared[i][1]);
        return TDL_OK;
    }
    for (size_t i = 0; i < sizeof roles / sizeof *roles && !sharegpt; i++) {
        if (!tdl_text_is(role, roles[i])) continue;
        *out = role;
        return TDL_OK;
    }
    return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "data: %s: \"%s\" is '%.*s', expected %s", place, how->role,
                    (int)(role.size < 40 ? role.size : 40), role.ptr,
                    sharegpt ? "human, gpt or system" : "system, user, assistant or tool");
}

static tdl_status find_weight(const json_t *message, bool answer, const char *place, bool *counted, tdl_error *err) {
    const json_t *weight = json_object_get(message, "weight");
    *counted = answer;
    if (!weight || json_is_null(weight)) return TDL_OK;
    double value = json_is_number(weight) ? json_number_value(weight) : -1;
    if (value != 0 && value != 1)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "data: %s: \"weight\": 0 or 1 expected", place);
    if (value == 1 && !answer)
        return tdl_fail(err, TDL_ERROR_UNSUPPORTED, "data: %s: \"weight\" is 1, but only answers are learned", place);
    *counted = value == 1;
    return TDL_OK;
}

// A string, or a list of parts all of which are text.
static tdl_status find_content(const json_t *message, const spelling *how, const char *place, tdl_str *out,
                               tdl_error *err) {
    const json_t *content = json_object_get(message, how->content);
    tdl_text text = {0};
    tdl_status status = TDL_OK;
    if (!json_is_array(content)) {
        status = text_of(message, how->content, place, &text, err);
        if (status == TDL_OK) tdl_str_append(out, text.ptr, text.size);
    }
    for (size_t i = 0; i < json_array_size(content) && status == TDL_OK; i++) {
        const json_t *part = json_array_get(content, i);
        const char *type = json_string_value(json_object_get(part, "type"));
        if (!type || strcmp(type, "text") != 0)
            return tdl_fail(err, TDL_ERROR_UNSUPPORTED,
                            "data: %s: \"%s\": part %zu has the type '%.40s', expected 'text'", place, how->content,
                            i + 1, type ? type : "");
        status = text_of(part, "text", place, &text, err);
        if (status == TDL_OK) tdl_str_append(out, text.ptr, text.size);
    }
    if (status == TDL_OK && out->failed)
        return tdl_fail(err, TDL_ERROR_MEMORY, "data: no memory for the text of a message");
    return status;
}

// ---- keys and texts

static bool is_set(const json_t *value) {
    if (!value || json_is_null(value) || json_is_false(value)) return false;
    if (json_is_string(value)) return json_string_length(value) > 0;
    return json_is_object(value) ? json_object_size(value) > 0 : !json_is_array(value) || json_array_size(value) > 0;
}

static tdl_status refused(const char *key, const char *what, tdl_error *err) {
    return tdl_fail(
        err, TDL_ERROR_UNSUPPORTED,
        "data: %s: \"%.60s\" is not understood: the model would learn as if it were not there; leave it out, "
        "or write it into the text",
        what, key);
}

static tdl_status refuse_keys(const json_t *object, const char *const *keys, size_t n, const char *what,
                              tdl_error *err) {
    for (size_t i = 0; i < n; i++)
        if (is_set(json_object_get(object, keys[i]))) return refused(keys[i], what, err);
    return TDL_OK;
}

static tdl_status check_message_keys(const json_t *message, const spelling *how, const char *place, tdl_error *err) {
    static const char *const known[] = {"weight",     "id",    "uuid", "message_id", "index",  "turn",  "timestamp",
                                        "created_at", "model", "lang", "language",   "source", "tokens"};
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)message, key, value) { // const only for the readers
        bool is_known = strcmp(key, how->role) == 0 || strcmp(key, how->content) == 0;
        for (size_t i = 0; i < sizeof known / sizeof *known && !is_known; i++) is_known = strcmp(key, known[i]) == 0;
        if (!is_known && is_set(value)) return refused(key, place, err);
    }
    return TDL_OK;
}

static tdl_status text_of(const json_t *object, const char *key, const char *what, tdl_text *out, tdl_error *err) {
    static const char *const kinds[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",
        [JSON_TRUE] = "true",        [JSON_FALSE] = "false",    [JSON_NULL] = "null"};
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return tdl_fail(err, TDL_ERROR_FORMAT, "data: %s: \"%s\" is %s, expected a string", what, key,
                        value ? kinds[json_typeof(value)] : "missing");
    }
    *out = tdl_text_of(json_string_value(value), json_string_length(value));
    return TDL_OK;
}
