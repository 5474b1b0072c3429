"""Checks the noise against spec/vectors/sampling with nothing but Python.

vLLM and torch are not needed: where torch is there, its tensors are checked as
well, and the processor's conditions with stand-ins for vLLM's classes.
"""

import json
import pathlib
import struct
import sys
import types
import unittest

import koinon_gumbel as gumbel

VECTORS = pathlib.Path(__file__).parents[2] / "spec" / "vectors" / "sampling"

try:
    import torch
except ImportError:
    torch = None


def bits(x):
    return struct.pack(">f", x).hex()


def single(text):
    return struct.unpack(">f", bytes.fromhex(text))[0]


class Noise(unittest.TestCase):
    def test_published_noise(self):
        for v in json.loads((VECTORS / "gumbel.json").read_text())["vectors"]:
            tokens = range(v["first"], v["first"] + 16)
            got = [bits(gumbel.noise(gumbel.Scalar, v["seed"], v["step"], t)) for t in tokens]
            self.assertEqual(got, v["noise"], v)

    def test_published_draws(self):
        count = 0
        for v in json.loads((VECTORS / "v1.json").read_text())["vectors"]:
            if v.get("sampler") != "gumbel" or v["temperature"] == 0 or "allowed" in v or "top_k" in v:
                continue
            logits = [single(l) for l in v["logits"]]
            for draw in v["draws"]:
                self.assertEqual(drawn(logits, v["seed"], draw["step"], v["temperature"]), draw["token"], v["name"])
                count += 1
        self.assertGreater(count, 7)

    @unittest.skipUnless(torch, "torch is absent")
    def test_tensors_have_the_same_bits(self):
        for v in json.loads((VECTORS / "gumbel.json").read_text())["vectors"]:
            tokens = torch.arange(v["first"], v["first"] + 16)
            got = gumbel.noise(gumbel.Tensor(torch), v["seed"], v["step"], tokens)
            self.assertEqual([bits(g) for g in got.tolist()], v["noise"], v)


def drawn(logits, seed, step, temperature):
    """What the processor and argmax do, one token at a time."""
    ops = gumbel.Scalar
    temperature, top = ops.single(temperature), max(logits)
    sums = {
        t: ops.single(l + ops.single(temperature * gumbel.noise(ops, seed, step, t)))
        for t, l in enumerate(logits)
        if (l - top) / temperature >= gumbel.FLOOR
    }
    return max(sums, key=sums.get)


class Arguments(unittest.TestCase):
    """What requests may ask of the processor, without vLLM."""

    @classmethod
    def setUpClass(cls):
        names = ["torch", "vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.sample.logits_processor"]
        cls.added = [n for n in names if n not in sys.modules]
        for n in cls.added:
            sys.modules[n] = types.ModuleType(n)
        if "vllm.v1.sample.logits_processor" in cls.added:
            sys.modules["vllm.v1.sample.logits_processor"].AdapterLogitsProcessor = object
        import koinon_vllm

        cls.processor = koinon_vllm.SeedSynchronised()

    @classmethod
    def tearDownClass(cls):
        for n in cls.added:
            del sys.modules[n]

    def params(self, **changed):
        given = {"temperature": 0, "top_p": 1, "top_k": 0, "min_p": 0, "extra_args": {"koinon_seed": str(2**64 - 1)}}
        return types.SimpleNamespace(**{**given, **changed})

    def test_others_pass_untouched(self):
        for extra in (None, {}, {"other": 1}):
            self.processor.validate_params(self.params(extra_args=extra, temperature=1))
            self.assertIsNone(self.processor.new_req_logits_processor(self.params(extra_args=extra)))

    def test_temperature_zero_needs_no_noise(self):
        extra = {"koinon_seed": 1, "koinon_temperature": 0}
        self.assertIsNone(self.processor.new_req_logits_processor(self.params(extra_args=extra)))

    def test_refusals(self):
        self.processor.validate_params(self.params())
        self.assertIsNotNone(self.processor.new_req_logits_processor(self.params()))
        for changed in (
            {"temperature": 1}, {"top_p": 0.9}, {"top_k": 5}, {"min_p": 0.1},
            {"extra_args": {"koinon_seed": -1}}, {"extra_args": {"koinon_seed": 1 << 64}},
            {"extra_args": {"koinon_seed": 1, "koinon_temperature": 2.1}}, {"extra_args": {"koinon_seed": "x"}},
        ):
            with self.assertRaises(ValueError, msg=changed):
                self.processor.validate_params(self.params(**changed))


if __name__ == "__main__":
    unittest.main()
