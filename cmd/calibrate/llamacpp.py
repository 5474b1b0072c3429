"""Computes logits with llama.cpp, by its C interface, as an engine that is not ours.

Usage: llamacpp.py LIBRARIES MODEL BATCH CONTEXT THREADS. Each text is computed
BATCH times at once, so that the kernels are those of that many texts; the first
one's logits are told. Reads, in 4-byte little-endian integers, how many tokens
follow and the tokens, and answers with the logits after the last, as float32; 0
begins another text, and answers nothing. Ends with its input.
"""

import ctypes
import glob
import os
import struct
import sys

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
llama.llama_get_logits_ith.restype = ctypes.c_void_p
llama.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
llama.llama_model_get_vocab.restype = ctypes.c_void_p
llama.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
llama.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]


def load():
    ggml.ggml_backend_load_all_from_path(libraries.encode())
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(path.encode(), llama.llama_model_default_params())
    if not model:
        sys.exit(f"llama.cpp does not load {path}")
    params = llama.llama_context_default_params()
    params.n_ctx, params.n_seq_max = batch * context, batch
    params.n_threads = params.n_threads_batch = threads
    made = llama.llama_init_from_model(model, params)
    if not made:
        sys.exit(f"llama.cpp has no room for {batch} texts of {context} tokens")
    return made, llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))


def compute(made, buffer, tokens, length):
    """Computes tokens that follow so many, as each of BATCH texts."""
    n = 0
    for text in range(batch):
        for i, token in enumerate(tokens):
            buffer.token[n], buffer.pos[n], buffer.n_seq_id[n], buffer.seq_id[n][0] = token, length + i, 1, text
            buffer.logits[n] = text == 0 and i + 1 == len(tokens)
            n += 1
    buffer.n_tokens = n
    if llama.llama_decode(made, buffer) != 0:
        sys.exit("llama_decode failed")
    return llama.llama_get_logits_ith(made, len(tokens) - 1)


def main():
    made, vocabulary = load()
    buffer = llama.llama_batch_init(batch * context, 0, 1)
    length = 0
    while head := sys.stdin.buffer.read(4):
        (count,) = struct.unpack("<i", head)
        if count == 0:
            llama.llama_memory_clear(llama.llama_get_memory(made), True)
            length = 0
            continue
        tokens = struct.unpack(f"<{count}i", sys.stdin.buffer.read(4 * count))
        logits = compute(made, buffer, tokens, length)
        length += count
        sys.stdout.buffer.write(ctypes.string_at(logits, 4 * vocabulary))
        sys.stdout.buffer.flush()


main()
