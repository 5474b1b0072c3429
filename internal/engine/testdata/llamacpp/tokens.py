"""What tokens.mjs does, for texts that are any bytes, in base64.

JavaScript's strings cannot carry invalid UTF-8, so this calls the library of the
same package by its C interface. It adds the ids with the marks of beginning and
end, which the package does not pass through, and the tokens' pieces.
"""

import base64
import ctypes
import glob
import json
import os
import sys

BINARIES = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"
)
for name in ("libggml-base.so", "libggml.b*.so", "libllama.b*.so"):
    (path,) = glob.glob(os.path.join(BINARIES, name))
    llama = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


class Params(ctypes.Structure):
    """llama_model_params of the release that package-lock.json pins."""

    _fields_ = [
        ("devices", ctypes.c_void_p),
        ("overrides", ctypes.c_void_p),
        ("gpu_layers", ctypes.c_int32),
        ("split_mode", ctypes.c_int32),
        ("main_gpu", ctypes.c_int32),
        ("split", ctypes.c_void_p),
        ("callback", ctypes.c_void_p),
        ("callback_data", ctypes.c_void_p),
        ("kv_overrides", ctypes.c_void_p),
        ("vocab_only", ctypes.c_bool),
        ("flags", ctypes.c_bool * 7),
    ]


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
quiet = LOG(lambda level, message, data: None)
llama.llama_log_set(quiet, None)
llama.llama_model_default_params.restype = Params
llama.llama_model_load_from_file.restype = ctypes.c_void_p
llama.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Params]
llama.llama_model_get_vocab.restype = ctypes.c_void_p
llama.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
llama.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
llama.llama_vocab_is_eog.argtypes = [ctypes.c_void_p, ctypes.c_int32]
llama.llama_vocab_is_eog.restype = ctypes.c_bool
llama.llama_tokenize.argtypes = [
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_int32),
    ctypes.c_int32,
    ctypes.c_bool,
    ctypes.c_bool,
]
llama.llama_token_to_piece.argtypes = [
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.c_char_p,
    ctypes.c_int32,
    ctypes.c_int32,
    ctypes.c_bool,
]
llama.llama_model_free.argtypes = [ctypes.c_void_p]


def encode(vocab, text, add, parse):
    room = len(text) * 4 + 16
    ids = (ctypes.c_int32 * room)()
    n = llama.llama_tokenize(vocab, text, len(text), ids, room, add, parse)
    return ids[:n]


def piece(vocab, token):
    buffer = ctypes.create_string_buffer(4096)
    n = llama.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
    return base64.b64encode(buffer.raw[: max(n, 0)]).decode()


def main():
    request = json.load(sys.stdin)
    texts = [base64.b64decode(text) for text in request["texts"]]
    results = []
    for path in request["paths"]:
        params = llama.llama_model_default_params()
        params.vocab_only = True
        model = llama.llama_model_load_from_file(path.encode(), params)
        if not model:
            sys.exit(f"llama.cpp does not load {path}")
        vocab = llama.llama_model_get_vocab(model)
        tokens = range(llama.llama_vocab_n_tokens(vocab))
        results.append(
            {
                "plain": [encode(vocab, text, False, False) for text in texts],
                "special": [encode(vocab, text, False, True) for text in texts],
                "marked": [encode(vocab, text, True, True) for text in texts],
                "ends": [token for token in tokens if llama.llama_vocab_is_eog(vocab, token)],
                "pieces": [piece(vocab, token) for token in tokens],
            }
        )
        llama.llama_model_free(model)
    json.dump(results, sys.stdout)


main()
