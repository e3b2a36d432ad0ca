"""The wording of class rows: the paper's two forms, and class names as they are put in."""

import re
from typing import Literal

import pyarrow as pa

from vargpt_datagen.imagenet_classes import first_lemma
from vargpt_datagen.printable import printable
from vargpt_datagen.template_rows import Forms, combined
from vargpt_datagen.wording_templates import WordingTemplate
from vargpt_schema import UserError
from vargpt_schema.compute import pc

Form = Literal["fig15", "section-4.2"]
Name = Literal["full", "first-lemma"]

FORMS: dict[Form, Forms] = {
    "fig15": Forms(
        (WordingTemplate("class-fig15", "Please generate a picture about {caption}"),),
        (
            WordingTemplate(
                "class-fig15", "The picture of the {caption} is as follows: <image_gen>"
            ),
        ),
    ),
    # The paper prints `<image>` here, a picture to look at: nothing would be drawn. The name has
    # its article; the colon is that of the other form.
    "section-4.2": Forms(
        (WordingTemplate("class-section-4.2", "Please generate an image of {caption} for me."),),
        (
            WordingTemplate(
                "class-section-4.2",
                "The generated image of {caption} is as follows: <image_gen>",
            ),
        ),
    ),
}

_AN = re.compile(
    r"(?!eu|ewe|once|one\b|u[st][aeiu]|uni[cfqstv])[aeiou]|heir|honest|hono|hour", re.I
)
_WITHOUT_ARTICLE = ("binoculars", "parallel bars", "sunglasses", "swimming trunks")
_UNFIT = re.compile(r"[<>{}]|^\s*$")


def class_phrase(name: str, form: Form, length: Name) -> str:
    """A class name as its rows say it: in Section 4.2's form with an article."""
    said = first_lemma(name) if length == "first-lemma" else name
    if form == "fig15" or first_lemma(name) in _WITHOUT_ARTICLE:
        return said
    return f"{'an' if _AN.match(said) else 'a'} {said}"


def class_phrases(images: pa.Table, form: Form, length: Name, where: str) -> pa.Array:
    """(N,) what the rows of images say of their classes; each name is looked at once.

    UserError for an image without a class name, and for a name that no row can hold.
    """
    names = combined(images, "class_name")
    if names.null_count:
        first = combined(images, "image_id").filter(pc.is_null(names))[0].as_py()
        raise UserError(
            f"{where}: no class name found for image {printable(first)}, each image of "
            "this set needs one. Fill column class_name, or give ImageNet's own file names."
        )
    coded = names if pa.types.is_dictionary(names.type) else names.dictionary_encode()
    phrases: list[str] = []
    for name in coded.dictionary.to_pylist():
        if _UNFIT.search(name) or name != printable(name):
            raise UserError(
                f"{where}: class name {printable(repr(name))} found, printable text "
                "without < > { } was expected. Correct column class_name."
            )
        phrases.append(class_phrase(name, form, length))
    return pa.array(phrases, pa.string()).take(coded.indices)
