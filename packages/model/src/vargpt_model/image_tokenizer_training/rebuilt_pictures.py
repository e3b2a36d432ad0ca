"""A few pictures beside what the codes make of them, to look at while training goes on."""

import torch
from PIL import Image

from vargpt_model.image_tokenizer import ImageTokenizer
from vargpt_model.pictures import Pictures
from vargpt_model.training.loop import NamedPictures
from vargpt_model.views import view_pixels
from vargpt_schema.errors import UserError

NUM_PICTURES = 6


@torch.no_grad()
def rebuilt_pictures(tokenizer: ImageTokenizer, pictures: Pictures) -> NamedPictures:
    """The first readable pictures, left as they are, right from codes; the mode is kept."""
    size = tokenizer.config.image_size_px
    names, views = [], []
    for name in pictures.names[: 4 * NUM_PICTURES]:
        try:
            image = pictures.open(name)
        except UserError:  # told and counted where it is trained on
            continue
        names.append(name)
        views.append(view_pixels(image, "whole", name=name, seed=0, image_size_px=size))
        if len(names) == NUM_PICTURES:
            break
    if not names:
        return NamedPictures([], [])
    pixels = torch.stack(views).to(tokenizer.quantize.embedding.weight.device)
    is_training = tokenizer.training
    tokenizer.eval()
    rebuilt = tokenizer.decode(tokenizer.encode(pixels))
    tokenizer.train(is_training)
    both = torch.cat([pixels, rebuilt.clamp(-1, 1)], dim=3).cpu()
    bytes_ = ((both + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return NamedPictures(names, [Image.fromarray(each) for each in bytes_])
