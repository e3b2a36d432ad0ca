"""The `official` combination against a plain rewriting of what the released sampler does.

One prompt. The start token is read first; then, scale by scale, the LLM's own cache, a decoder
batch of the LLM's states and fresh Gaussian noise, each row with its own past, the same "no class"
condition for both, and logits (1 + t) l - t l_noise with t rising from 0 to 1.5.
"""

from typing import Any

import pytest

from tests.model.vargpt.conftest import small_model
from vargpt_schema import Message


class PlainDecoder:
    """The blocks of VAR written out, keys and values of every row concatenated as they come."""

    def __init__(self, model, condition):
        import torch.nn.functional as F

        self.weights = {
            name.removeprefix("vargpt_gen."): tensor
            for name, tensor in model.state_dict().items()
            if name.startswith("vargpt_gen.")
        }
        self.num_layers = model.config.visual_decoder["num_layers"]
        self.num_heads = model.config.visual_decoder["num_heads"]
        self.condition = F.silu(condition)  # (1, C)
        self.past = {}

    def linear(self, x, name):
        import torch.nn.functional as F

        return F.linear(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def step(self, x):
        import torch
        import torch.nn.functional as F

        width = x.shape[-1]
        for i in range(self.num_layers):
            block = f"blocks.{i}"
            g1, g2, s1, s2, b1, b2 = (
                self.linear(self.condition, f"{block}.ada_lin.1").view(1, 1, 6, width).unbind(2)
            )
            h = F.layer_norm(x, (width,), eps=1e-6) * (1 + s1) + b1
            qkv = F.linear(h, self.weights[f"{block}.attn.mat_qkv.weight"])
            q, k, v = qkv.split(width, dim=-1)
            q = q + self.weights[f"{block}.attn.q_bias"]
            v = v + self.weights[f"{block}.attn.v_bias"]
            q, k, v = (t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for t in (q, k, v))
            scale = self.weights[f"{block}.attn.scale_mul_1H11"].clamp(max=4.605170249938965).exp()
            q = F.normalize(q, dim=-1) * scale
            k = F.normalize(k, dim=-1)
            if i in self.past:
                k = torch.cat([self.past[i][0], k], dim=2)
                v = torch.cat([self.past[i][1], v], dim=2)
            self.past[i] = (k, v)
            attended = (q @ k.transpose(-1, -2)).softmax(dim=-1) @ v
            attended = attended.transpose(1, 2).flatten(2)
            x = x + g1 * self.linear(attended, f"{block}.attn.proj")
            h = F.layer_norm(x, (width,), eps=1e-6) * (1 + s2) + b2
            h = F.gelu(self.linear(h, f"{block}.ffn.fc1"), approximate="tanh")
            x = x + g2 * self.linear(h, f"{block}.ffn.fc2")
        s, b = self.linear(self.condition, "head_nm.ada_lin.1").view(1, 1, 2, width).unbind(2)
        return self.linear(F.layer_norm(x, (width,), eps=1e-6) * (1 + s) + b, "head")


def projected(model, name, x):
    import torch.nn.functional as F

    own = model.state_dict()
    h = F.linear(x, own[f"{name}.mlp.0.weight"], own[f"{name}.mlp.0.bias"])
    return F.linear(F.gelu(h), own[f"{name}.mlp.2.weight"], own[f"{name}.mlp.2.bias"])


def reference_logits(model, prompt_ids, code_ids, noises):
    """Guided logits of every scale, the codes chosen so far being `code_ids`."""
    import torch
    import torch.nn.functional as F
    from transformers import DynamicCache

    own = model.state_dict()
    patch_nums = (1, 2, 3)
    ends = [1, 5, 14]
    llm, table = model.language_model.model, model.language_model.model.embed_tokens
    cache = DynamicCache()
    llm(inputs_embeds=table(torch.tensor([prompt_ids])), past_key_values=cache, use_cache=True)
    llm(inputs_embeds=table(torch.tensor([[4]])), past_key_values=cache, use_cache=True)
    condition = own["vargpt_gen.class_emb.weight"][-1:]  # "no class", for both rows
    lvl_pos = (
        own["vargpt_gen.lvl_embed.weight"][own["vargpt_gen.lvl_1L"]] + own["vargpt_gen.pos_1LC"]
    )
    decoder = PlainDecoder(model, condition)
    next_map = condition[:, None] + own["vargpt_gen.pos_start"] + lvl_pos[:, :1]
    f_hat = torch.zeros(1, 4, 3, 3)
    found = []
    for k, side in enumerate(patch_nums):
        start, end = ends[k] - side * side, ends[k]
        hidden = llm(
            inputs_embeds=projected(model, "image_gen_projector", next_map),
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        both = torch.cat([hidden, noises[k]])
        logits, noise_logits = decoder.step(projected(model, "image_gen_projector_out", both))
        t = 1.5 * k / 2
        found.append((1 + t) * logits - t * noise_logits)
        if k == 2:
            return found
        embedded = own["vae_local.quantize.embedding.weight"][code_ids[start:end]]
        h = F.interpolate(embedded.T.reshape(1, 4, side, side), size=(3, 3), mode="bicubic")
        phi = f"vae_local.quantize.quant_resi.qresi_ls.{[0, 2, 3][k]}"
        h = 0.5 * h + 0.5 * F.conv2d(h, own[f"{phi}.weight"], own[f"{phi}.bias"], padding=1)
        f_hat = f_hat + h
        smaller = F.interpolate(f_hat, size=(patch_nums[k + 1],) * 2, mode="area")
        next_map = (
            F.linear(
                smaller.flatten(2).transpose(1, 2),
                own["vargpt_gen.word_embed.weight"],
                own["vargpt_gen.word_embed.bias"],
            )
            + lvl_pos[:, end : ends[k + 1]]
        )
    return found


def ids_of(part: Any) -> tuple[int, ...]:
    return part.token_ids


@pytest.mark.parametrize("seed", [0, 1])
def test_official_combination_reproduces_the_released_sampler_step_by_step(
    processor, monkeypatch, seed
):
    import torch

    from vargpt_model.drawing import DrawingConfig
    from vargpt_model.generation import GenerationOptions, generate
    from vargpt_model.generation.drawing_in_context import ImagesInContext
    from vargpt_model.generation.random_streams import stream_seed

    model = small_model(seed, guidance_null="noise")
    prompt = processor.encode([Message("user", "draw a red circle")]).input_ids
    seen = []
    own = ImagesInContext.code_logits
    monkeypatch.setattr(
        ImagesInContext,
        "code_logits",
        lambda self, hidden, scale: seen.append(own(self, hidden, scale)) or seen[-1],
    )
    reply = generate(
        model,
        input_ids=torch.tensor([prompt]),
        seeds=[seed],
        options=GenerationOptions(
            max_part_tokens=1,
            min_images=1,
            max_images=1,
            drawing=DrawingConfig(
                guidance_scale=1.5, guidance_schedule="linear", top_k=5, top_p=0.96
            ),
        ),
    )[0]
    word = ids_of(reply.parts[0])
    codes = reply.images[0].code_ids
    generator = torch.Generator().manual_seed(stream_seed(seed, "null"))
    noises = [torch.randn(1, n, 32, generator=generator) for n in (1, 4, 9)]
    with torch.no_grad():
        expected = reference_logits(model, [*prompt, *word], codes, noises)
    chosen = codes.split([1, 4, 9])
    for ours, theirs, scale_codes in zip(seen, expected, chosen, strict=True):
        torch.testing.assert_close(ours[0], theirs, atol=3e-4, rtol=1e-4)
        for logits, code in zip(theirs, scale_codes, strict=True):
            # helpers.py: top k, then the smallest that add up to 1 - p are dropped.
            kept = logits.masked_fill(logits < logits.topk(5).values[-1], -torch.inf)
            rising, order = kept.sort()
            dropped = rising.softmax(dim=0).cumsum(dim=0) <= 1 - 0.96
            dropped[-1] = False
            assert int(code) in set(order[~dropped].tolist())


def test_released_defaults_are_the_defaults_of_an_official_configuration():
    from vargpt_model.vargpt import VargptConfig

    config = VargptConfig.from_dict({"special_tokens": {"image_gen_start_token_id": 32002}})
    assert (config.guidance_null, config.noise_at) == ("noise", "hidden")
    assert config.decoder_positions == "before_llm"
    assert (config.training_condition, config.inference_condition) == (32002, 32003)
    assert config.drawing == {
        "guidance_scale": 1.5,
        "guidance_schedule": "linear",
        "top_k": 900,
        "top_p": 0.96,
        "more_smooth": False,
    }
