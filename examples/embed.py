"""Compute CLIP embeddings from a clip-prep set, and write `paths.txt` and `vectors.npy`.

    clip-prep convert photos --model ViT-B/32 --dtype uint8 --out tensors
    python examples/embed.py tensors vectors

The vision tower has random weights, to avoid a download, so the vectors are meaningless. For real
ones, use `CLIPVisionModelWithProjection.from_pretrained("openai/clip-vit-base-patch32")`.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from clip_prep_cli import TensorDataset


def main(source: str, target: str) -> None:
    """Embed every image in the set `source`, and write the results to the directory `target`."""
    torch.manual_seed(0)
    tower: torch.nn.Module = CLIPVisionModelWithProjection(CLIPVisionConfig())  # ViT-B/32
    tower.eval()
    loader = DataLoader(TensorDataset(source, model="ViT-B/32"), batch_size=64, num_workers=2)
    paths: list[str] = []
    vectors = []
    with torch.inference_mode():
        for pixels, names in loader:
            vectors.append(tower(pixel_values=pixels).image_embeds)
            paths += names
    Path(target).mkdir(exist_ok=True)
    Path(target, "paths.txt").write_text("".join(f"{path}\n" for path in paths))
    np.save(Path(target, "vectors.npy"), torch.nn.functional.normalize(torch.cat(vectors)).numpy())


if __name__ == "__main__":
    main(*sys.argv[1:])
