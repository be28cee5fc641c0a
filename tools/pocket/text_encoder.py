"""The text encoder (CLIPTextModel) with the parameter names of SD 1.x files, without the prefix `cond_stage_model.transformer.`"""

import torch
from torch import nn

from tools.pocket.attention import attention


class ClipAttention(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(c, c) for _ in range(4))

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = (f(x).view(b, n, self.heads, c // self.heads).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(attention(q, k, v, causal=True).transpose(1, 2).reshape(b, n, c))


class ClipMlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class ClipLayer(nn.Module):
    def __init__(self, c, heads):
        super().__init__()
        self.self_attn = ClipAttention(c, heads)
        self.layer_norm1 = nn.LayerNorm(c)
        self.mlp = ClipMlp(c)
        self.layer_norm2 = nn.LayerNorm(c)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class CLIPTextModel(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        model = nn.Module()
        model.embeddings = nn.Module()
        model.embeddings.token_embedding = nn.Embedding(cfg.vocab, cfg.text_width)
        model.embeddings.position_embedding = nn.Embedding(cfg.positions, cfg.text_width)
        model.encoder = nn.Module()
        model.encoder.layers = nn.ModuleList(ClipLayer(cfg.text_width, cfg.text_heads) for _ in range(cfg.text_layers))
        model.final_layer_norm = nn.LayerNorm(cfg.text_width)
        nn.init.normal_(model.embeddings.token_embedding.weight, std=0.5)
        nn.init.normal_(model.embeddings.position_embedding.weight, std=0.1)
        self.text_model = model

    def forward(self, ids):
        m = self.text_model
        x = m.embeddings.token_embedding(ids) + m.embeddings.position_embedding.weight[: ids.shape[1]]
        for layer in m.encoder.layers:
            x = layer(x)
        return m.final_layer_norm(x)
