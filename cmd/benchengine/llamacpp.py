"""Times llama.cpp on a GGUF file, by its C interface, as llama-bench does: the
decoder alone, without sampling.

Usage: llamacpp.py LIBRARIES MODEL BATCH CONTEXT THREADS, where BATCH texts of at
most CONTEXT tokens are computed. Reads lines "prefill N" (N tokens of prompts in
all, from empty texts) and "decode N" (N tokens more of every text) and answers
each with the seconds it took. Ends with its input.
"""

import ctypes
import glob
import os
import sys
import time

libraries, path, batch, context, threads = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
for name in ("libggml-base.so", "libggml.b*.so", "libllama.b*.so"):
    (library,) = glob.glob(os.path.join(libraries, name))
    loaded = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    if "libggml.b" in library:
        ggml = loaded
llama = loaded


class ModelParams(ctypes.Structure):
    """llama_model_params of the release that package-lock.json pins."""

    _fields_ = [("all", ctypes.c_byte * 72)]  # defaults


class ContextParams(ctypes.Structure):
    """The beginning of llama_context_params, and room for the rest."""

    _fields_ = [
        ("n_ctx", ctypes.c_uint32),
        ("n_batch", ctypes.c_uint32),
        ("n_ubatch", ctypes.c_uint32),
        ("n_seq_max", ctypes.c_uint32),
        ("n_threads", ctypes.c_int32),
        ("n_threads_batch", ctypes.c_int32),
        ("rest", ctypes.c_byte * 232),
    ]


class Batch(ctypes.Structure):
    """llama_batch."""

    _fields_ = [
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
    ]


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
quiet = LOG(lambda level, message, data: None)
if not os.environ.get("LLAMACPP_LOG"):
    llama.llama_log_set(quiet, None)
llama.llama_model_default_params.restype = ModelParams
llama.llama_context_default_params.restype = ContextParams
llama.llama_model_load_from_file.restype = ctypes.c_void_p
llama.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
llama.llama_init_from_model.restype = ctypes.c_void_p
llama.llama_init_from_model.argtypes = [ctypes.c_void_p, ContextParams]
llama.llama_get_memory.restype = ctypes.c_void_p
llama.llama_get_memory.argtypes = [ctypes.c_void_p]
llama.llama_memory_clear.argtypes = [ctypes.c_void_p, ctypes.c_bool]
llama.llama_batch_init.restype = Batch
llama.llama_decode.argtypes = [ctypes.c_void_p, Batch]
llama.llama_synchronize.argtypes = [ctypes.c_void_p]
llama.llama_model_get_vocab.restype = ctypes.c_void_p
llama.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
llama.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]


class Texts:
    """Texts being continued, all of one length."""

    def __init__(self):
        ggml.ggml_backend_load_all_from_path(libraries.encode())
        llama.llama_backend_init()
        self.model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp does not load {path}")
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = batch * context, batch
        params.n_threads = params.n_threads_batch = threads
        self.context = llama.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit(f"llama.cpp has no room for {batch} texts of {context} tokens")
        self.vocabulary = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.most = params.n_batch
        self.batch = llama.llama_batch_init(self.most, 0, 1)
        self.length = 0

    def run(self, each):
        """Computes so many tokens more of each text; logits of the last ones."""
        n = 0
        for text in range(batch):
            for i in range(each):
                position = self.length + i
                self.batch.token[n] = (position * 7919 + text * 104729 + 17) % self.vocabulary
                self.batch.pos[n] = position
                self.batch.n_seq_id[n] = 1
                self.batch.seq_id[n][0] = text
                self.batch.logits[n] = i + 1 == each
                n += 1
        self.batch.n_tokens = n
        self.length += each
        began = time.perf_counter()
        if llama.llama_decode(self.context, self.batch) != 0:
            sys.exit("llama_decode failed")
        llama.llama_synchronize(self.context)
        return time.perf_counter() - began

    def prefill(self, tokens):
        llama.llama_memory_clear(llama.llama_get_memory(self.context), True)
        self.length = 0
        return self.run(tokens // batch)

    def decode(self, steps):
        return sum(self.run(1) for _ in range(steps))


def main():
    texts = Texts()
    print("ready", flush=True)
    for line in sys.stdin:
        what, count = line.split()
        print(getattr(texts, what)(int(count)), flush=True)


main()
