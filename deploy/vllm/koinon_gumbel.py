"""koinon's Gumbel noise, bit for bit as spec/engine.md says under "Sampling".

The arithmetic is written once, for Python's numbers and for torch's tensors
alike: `Scalar` and `Tensor` name the few operations that the two spell
differently. Integers are 64-bit where they are tensors: products wrap, but the
bits that are kept do not feel it. Floats are binary64 until the last rounding.
"""

import math
import struct

MASK = 0xFFFFFFFF
DOMAIN = 0x6B6F696E
FLOOR = -17.5
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


class Scalar:
    """One token: Python's own numbers."""

    frexp = staticmethod(math.frexp)

    @staticmethod
    def where(condition, yes, no):
        return yes if condition else no

    @staticmethod
    def double(x):
        return float(x)

    @staticmethod
    def single(x):
        return struct.unpack("<f", struct.pack("<f", x))[0]


class Tensor:
    """Many tokens: torch's tensors."""

    def __init__(self, torch):
        self.frexp, self.where, self.torch = torch.frexp, torch.where, torch

    def double(self, x):
        return x.to(self.torch.float64)

    def single(self, x):
        return x.to(self.torch.float32)


def philox(counter, key):
    """Ten rounds of Philox4x32 (Salmon et al., 2011)."""
    a, b, c, d = counter
    k, l = key
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        a, b, c, d = (second >> 32) & MASK ^ b ^ k, second & MASK, (first >> 32) & MASK ^ d ^ l, first & MASK
        k, l = (k + 0x9E3779B9) & MASK, (l + 0xBB67AE85) & MASK
    return a, b, c, d


def log(ops, x):
    """The natural logarithm of spec/engine.md, of a positive x."""
    fraction, exponent = ops.frexp(x)
    low = fraction < 0.7071067811865476
    fraction = ops.where(low, fraction * 2.0, fraction)
    exponent = ops.double(ops.where(low, exponent - 1, exponent))
    z = (fraction - 1.0) / (fraction + 1.0)
    square, term, total = z * z, z, z
    for k in range(3, 42, 2):
        term = term * square
        total = total + term / float(k)
    return 2.0 * total + (exponent * LN2_HIGH + exponent * LN2_LOW)


def noise(ops, seed, step, token):
    """The Gumbel noise of a token, or of a tensor of tokens, at a step."""
    zero = token & 0
    words = philox(
        ((step & MASK) + zero, (step >> 32 & MASK) + zero, token >> 2, DOMAIN + zero),
        (seed & MASK, seed >> 32 & MASK),
    )
    word = words[0]
    for i in (1, 2, 3):
        word = ops.where((token & 3) == i, words[i], word)
    u = (ops.double(word) + 0.5) / 4294967296.0
    return ops.single(-log(ops, -log(ops, u)))


def loud(torch, logits, seed, step, temperature):
    """A row of logits with their noise: its largest is the token to draw. What
    step 9 of the specification drops is −∞."""
    tokens = torch.arange(logits.shape[-1], device=logits.device, dtype=torch.int64)
    temperature = torch.tensor(temperature, dtype=torch.float32, device=logits.device)
    sums = logits + temperature * noise(Tensor(torch), seed, step, tokens)
    counts = (logits - logits.max()) / temperature >= FLOOR
    return torch.where(counts, sums, float("-inf"))
