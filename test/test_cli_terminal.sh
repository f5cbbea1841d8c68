#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program at a terminal: a pseudo-terminal of Python's types and reads. Line editing, history, pasting, Ctrl-C and the commands
# of treadle chat; text with escape sequences; progress that is written over.
#   test_cli_terminal.sh PROGRAM REPO
set -uo pipefail
program=$1 repo=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# libedit never frees the two texts that it copies of a function that is added to it.
echo 'leak:wcsdup' >"$work/leaks"
export LSAN_OPTIONS="suppressions=$work/leaks:print_suppressions=0"
python3 - "$program" "$repo" "$work" <<'PYTHON'
import json, os, pty, re, select, signal, sys, time

program, repo, work = sys.argv[1:]
model = repo + "/models/novelist-7m-q8_0.gguf"
tiny = repo + "/test/data/hf-tiny/llama"
failed = []
DEADLINE = 400  # seconds; only a hang reaches it


class Terminal:
    def __init__(self, *args, term="xterm", stderr=None):
        self.seen = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM=term, LC_ALL="C.UTF-8")
            if stderr:
                os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
            os.execv(program, [program, *args])

    def read_some(self):
        if not select.select([self.fd], [], [], 0.2)[0]:
            return True
        try:
            more = os.read(self.fd, 65536)
        except OSError:  # Linux: the other side is closed
            return False
        self.seen += more
        return bool(more)

    def until(self, pattern, what):
        """Reads up to a match of `pattern`, takes that out of what was seen, and returns it."""
        end = time.monotonic() + DEADLINE
        while not (match := re.search(pattern, self.seen, re.DOTALL)):
            if time.monotonic() > end or not self.read_some():
                failed.append(f"{what}: {pattern!r} did not come: {self.seen!r}")
                return b""
        self.seen = self.seen[match.end():]
        return match.group(0)

    def say(self, typed, pattern, what):
        os.write(self.fd, typed)
        return self.until(pattern, what)

    def end(self, expected, what):
        end = time.monotonic() + DEADLINE
        while self.read_some() and time.monotonic() < end:
            pass
        if time.monotonic() >= end:
            os.kill(self.pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if code != expected:
            failed.append(f"{what}: exit code {code}, expected {expected}: {self.seen!r}")
        return self.seen


def check(what, condition):
    if not condition:
        failed.append(what)


PROMPT = rb"> $"
ANSWERED = rb"\r\n.*> $"


def test_chat_commands():
    t = Terminal("chat", model, "-t", "1", "-n", "6", "--seed", "1")
    t.until(rb"/help lists the commands.*> $", "chat begins")
    t.say(b"Hello\r", ANSWERED, "a message")
    t.say(b"/nonsense\r", rb"'/nonsense': no such command: /help lists them.*> $", "an unknown command")
    help_text = t.say(b"/help\r", rb"  /help .*slash is typed with two.*> $", "/help")
    for name in (b"/help", b"/system", b"/save", b"/load", b"/regen", b"/reset", b"/quit"):
        check(f"/help lists {name}", name in help_text)
    t.say(b"//not a command\r", ANSWERED, "a message that begins with a slash")
    t.say(b"/regen\r", ANSWERED, "/regen")
    saved = work + "/chat.json"
    t.say(f"/save {saved}\r".encode(), ANSWERED, "/save")
    t.say(f"/save {saved}\r".encode(), rb"File exists.*> $", "/save does not write over a file")
    t.say(b"/system You are brief.\r", rb"begins anew.*> $", "/system TEXT")
    t.say(b"/system\r", rb"\r\n[^\r]*You are brief\.\r\n.*> $", "/system")
    t.say(b"/regen\r", rb"there is no answer yet.*> $", "/regen without an answer")
    t.say(f"/load {saved}\r".encode(), rb"4 messages.*> $", "/load")
    t.say(b"/system\r", rb"no system message.*> $", "/load takes the system message too")
    t.say(b"/regen\r", ANSWERED, "/regen after /load")
    second = work + "/second.json"
    t.say(f"/save {second}\r".encode(), ANSWERED, "/save again")
    t.say(b"/load /nowhere\r", rb"No such file.*> $", "/load of nothing")
    t.say(b"/reset now\r", rb"takes no argument.*> $", "/reset with an argument")
    t.say(b"/reset\r", ANSWERED, "/reset")
    t.say(b"/regen\r", rb"there is no answer yet.*> $", "/reset forgets")
    os.write(t.fd, b"/quit\r")
    t.end(0, "/quit")
    first, again = (json.load(open(path, encoding="utf-8"))["messages"] for path in (saved, second))
    roles = ["user", "assistant", "user", "assistant"]
    check(f"roles of a saved chat: {first}", [m["role"] for m in first] == roles and [m["role"] for m in again] == roles)
    check("messages of a saved chat", [first[0]["content"], first[2]["content"]] == ["Hello", "/not a command"])
    check(f"/regen makes another last answer: {first} {again}", first[:3] == again[:3] and first[3] != again[3])


def test_editing():
    t = Terminal("chat", model, "-t", "1", "-n", "2", "--temp", "0")
    t.until(PROMPT, "chat begins")
    t.say("/bogus naïve\r".encode(), rb"'/bogus'.*> $", "a line")
    t.say(b"\x1b[A", "/bogus naïve".encode(), "the arrow calls the last line back")
    # Home, two to the right, delete one, insert another: "/zogus naïve".
    t.say(b"\x01\x06\x04z\r", rb"'/zogus': no such command.*> $", "editing within a line")
    t.say(b"half a line", rb"half a line", "typing")
    t.say(b"\x03", rb"\r\n.*> $", "Ctrl-C drops what is typed")
    t.say(b"/other\r", rb"'/other': no such command.*> $", "what was dropped is gone")
    # A paste of three lines is one message, and is not sent before Enter.
    t.say("\x1b[200~first line\rsecond línea\rthird\r\x1b[201~".encode(), "third".encode(), "a paste is shown")
    t.say(b"\r", ANSWERED, "the paste is sent by Enter")
    saved = work + "/paste.json"
    t.say(f"/save {saved}\r".encode(), ANSWERED, "/save")
    t.say(b"\x03", rb"Ctrl-C once more, Ctrl-D or /quit ends.*> $", "Ctrl-C on an empty line")
    t.say(b"/x\r", rb"no such command.*> $", "a line after it")
    t.say(b"\x03", rb"Ctrl-C once more.*> $", "Ctrl-C on an empty line asks again")
    os.write(t.fd, b"\x03")
    t.end(130, "Ctrl-C twice")
    messages = json.load(open(saved, encoding="utf-8"))["messages"]
    check(f"one message of three lines: {messages}", len(messages) == 2 and
          messages[0]["content"] == "first line\nsecond línea\nthird")


# Ctrl-C stops an answer and leaves the chat; a full context does not end it, /reset goes on; Ctrl-D ends with 0.
def test_interrupt_and_full():
    t = Terminal("chat", model, "-t", "1", "-c", "100000", "--ignore-eos", "--temp", "0")
    t.until(PROMPT, "chat begins")
    t.say(b"Go on and on\r", rb"\r\n.*[a-zA-Z]{3}.*[a-zA-Z]{3}", "an answer begins")
    t.say(b"\x03", PROMPT, "Ctrl-C in an answer")
    t.say(b"/help\r", rb"slash is typed with two.*> $", "the chat goes on")
    os.write(t.fd, b"\x04")
    t.end(0, "Ctrl-D")
    t = Terminal("chat", model, "-t", "1", "-c", "60", "--ignore-eos", "--temp", "0")
    t.until(PROMPT, "chat begins")
    t.say(b"Hi\r", rb"fills the context of 60 tokens: /save FILE keeps it, /reset begins anew.*> $", "the context is full")
    t.say(b"More\r", rb"fills the context of 60.*> $", "and stays so")
    t.say(b"/reset\r", ANSWERED, "/reset")
    t.say(b"Hi\r", rb"fills the context of 60.*> $", "after /reset there is an answer")
    os.write(t.fd, b"/quit\r")
    t.end(0, "a full context is no failure of a chat that was ended")


# SIGTERM, which nobody types, ends it at the prompt and in an answer.
def test_terminated():
    for typed, pattern, what in ((b"/help\r", rb"slash is typed with two.*> $", "SIGTERM at the prompt"),
                                 (b"Go on and on\r", rb"\r\n.*[a-zA-Z]{3}.*[a-zA-Z]{3}", "SIGTERM in an answer")):
        t = Terminal("chat", model, "-t", "1", "-c", "100000", "--ignore-eos", "--temp", "0")
        t.until(PROMPT, "chat begins")
        t.say(typed, pattern, what)
        os.kill(t.pid, signal.SIGTERM)
        t.end(130, what)


# Without a terminal that can be moved about on, or with stderr elsewhere, lines are read as they are.
def test_plain_lines():
    t = Terminal("chat", model, "-t", "1", "-n", "2", "--temp", "0", term="dumb")
    t.until(PROMPT, "chat begins")
    t.say(b"Hello\n", ANSWERED, "a message")
    t.say(b"/nonsense\n", rb"no such command.*> $", "a command")
    os.write(t.fd, b"\x04")
    t.end(0, "Ctrl-D")


# A terminal gets no control characters but newline and tab; a pipe gets every byte.
def test_escape_sequences():
    evil = "a\x1b[31mb\x07\x7f\x9b1mc\ttab"
    t = Terminal("run", model, "-p", evil, "-n", "1", "--temp", "0", "--echo", "-q")
    shown = t.end(0, "run on a terminal")
    expected = "a\ufffd[31mb\ufffd\ufffd\ufffd1mc\ttab".encode()
    check(f"escape sequences on a terminal: {shown!r}", expected in shown and b"\x1b[31m" not in shown)
    read, write = os.pipe()
    if os.fork() == 0:
        os.dup2(write, 1)
        os.execv(program, [program, "run", model, "-p", evil, "-n", "1", "--temp", "0", "--echo", "-q"])
    os.close(write)
    os.wait()
    piped = os.read(read, 65536)
    check(f"escape sequences in a pipe: {piped!r}", evil.encode() in piped)
    t = Terminal("run", "\x1b[31mnone", "x")
    check("escape sequences in a message", b"\x1b[31m" not in t.end(1, "a model that is not there"))


def test_progress():
    os.environ["TREADLE_PROGRESS_SECONDS"] = "0"  # each line, however fast the machine is
    with open(work + "/long.txt", "w") as file:
        file.write("the old man went to the sea. " * 60)
    t = Terminal("logits", model, "-f", work + "/long.txt", "-o", work + "/l.npy")
    shown = t.end(0, "logits on a terminal")
    check(f"logits shows progress: {shown!r}", re.search(rb"logits \d+/\d+", shown))
    check("and wipes it", shown.rstrip().endswith(b"\r\x1b[K"))
    t = Terminal("eval", model, "--data", work + "/long.txt", "-c", "64")
    check("eval shows progress", re.search(rb"window \d+, loss|predictions, loss", t.end(0, "eval on a terminal")))
    t = Terminal("logits", tiny, "--ids", "1,2", "-o", "-")
    check("a NumPy file is not for a terminal", b"redirect it" in t.end(2, "logits -o - on a terminal"))


edits = "libedit" in os.popen(f"ldd '{program}' 2>/dev/null").read()
if edits:
    test_chat_commands()
    test_editing()
    test_interrupt_and_full()
else:
    print("cli_terminal: skipped: line editing: the program is built without libedit")
test_plain_lines()
test_escape_sequences()
test_progress()
for line in failed:
    print("cli_terminal: failed:", line, file=sys.stderr)
print(f"cli_terminal: {len(failed)} failed")
sys.exit(bool(failed))
PYTHON
