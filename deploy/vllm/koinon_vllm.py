"""A logits processor for vLLM that draws tokens as koinon's auditors expect.

    vllm serve MODEL --logits-processors koinon_vllm:SeedSynchronised

A request that gives `koinon_seed` in its extra arguments (`vllm_xargs` of the
HTTP API) is drawn by Gumbel's noise at `koinon_temperature`: the noise is added
here, and vLLM, asked for temperature 0, takes the largest. Other requests pass
untouched.
"""

import torch
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

from koinon_gumbel import loud


def arguments(params):
    """The seed and the temperature that a request asks for, or None."""
    extra = params.extra_args or {}
    if "koinon_seed" not in extra:
        return None
    # Seeds have 64 bits, of which JSON's readers may keep 53: text is safe.
    seed, temperature = int(extra["koinon_seed"]), float(extra.get("koinon_temperature", 1.0))
    if not 0 <= seed < 1 << 64:
        raise ValueError("koinon_seed must be between 0 and 2^64-1")
    if not 0 <= temperature <= 2:
        raise ValueError("koinon_temperature must be between 0 and 2")
    if params.temperature != 0 or params.top_p != 1 or params.top_k not in (0, -1) or params.min_p != 0:
        raise ValueError("with koinon_seed, temperature must be 0 and top_p, top_k and min_p left out")
    return seed, temperature


class SeedSynchronised(AdapterLogitsProcessor):
    """Adds the noise of each request's seed and step to its logits."""

    @classmethod
    def validate_params(cls, params):
        arguments(params)

    def is_argmax_invariant(self):
        return False  # so it is called where temperature is 0

    def new_req_logits_processor(self, params):
        given = arguments(params)
        if given is None or given[1] == 0:
            return None
        seed, temperature = given

        def process(output_ids, logits):
            return loud(torch, logits, seed, len(output_ids), temperature)

        return process
