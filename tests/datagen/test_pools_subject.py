"""Subject and noun phrase of captions: BLIP-2's own, printed in the paper, and the world's."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vargpt_datagen.pools import noun_phrase_of, subject_of

SUBJECTS = {
    # Captions printed in the paper and in its repository.
    "a large volcano in the distance": "a large volcano",
    "a train is on the tracks": "a train",
    "a mountain in the background": "a mountain",
    "a yellow and black fish with a blue face": "a yellow and black fish",
    "a black weasel is standing in the grass": "a black weasel",
    "a white church with a red star on the roof": "a white church",
    "a close up of an ostrich": "a close up of an ostrich",
    "a baseball in the grass": "a baseball",
    "a large clear bubble sitting on a table": "a large clear bubble",
    "a squirrel is eating some leaves": "a squirrel",
    "a glass dessert dish with strawberries": "a glass dessert dish",
    "a large cruise ship docked at a dock": "a large cruise ship",
    "a small bird on the branch": "a small bird",
    "a large white house with a large porch": "a large white house",
    "a flower with a red center": "a flower",
    "a bighorn sheep in the snow": "a bighorn sheep",
    "a cat with a yellow eye": "a cat",
    "a close up of a yellow flower with green leaves": "a close up of a yellow flower",
    "a green beetle with a shiny green body": "a green beetle",
    "a gold candle with a burning flame": "a gold candle",
    "a small bird is sitting on a bird feeder": "a small bird",
    "a cabbage plant with green leaves and flowers": "a cabbage plant",
    "a huge field and blue sky": "a huge field and blue sky",
    "a pink flower with water droplets on it": "a pink flower",
    "a panda bear": "a panda bear",
    "a hay bale on the side of the road": "a hay bale",
    "a rocket is flying in the sky": "a rocket",
    "corn on the cob": "corn",
    "a red mushroom": "a red mushroom",
    "a large insect with a long tail on a tree branch": "a large insect",
    "an old building with two windows and some plants": "an old building",
    "sunflowers in the field with a blue sky and clouds": "sunflowers",
    "a butterfly on a flower": "a butterfly",
    "a rabbit sitting in the grass": "a rabbit",
    "a lighthouse is seen in the distance": "a lighthouse",
    "an old photo of an aircraft carrier in the water": "an old photo of an aircraft carrier",
    "a colorful blue and yellow parrot perched on a branch": "a colorful blue and yellow parrot",
    "several people gathered near a barn": "several people",
    "a group of people standing around a barn": "a group of people",
    "a person submerged underwater": "a person",
    "what looks like a boat": "what looks like a boat",
    # The sample world.
    "a small red circle at the top left on a white background": "a small red circle",
    "a large blue star above a tiny green ring": "a large blue star",
    "a red star is above a blue ring": "a red star",
    "on a white background, a small red circle at the top left": "a small red circle",
    "on a black background there is a large yellow square": "a large yellow square",
    "at the top right a red cross and at the centre a blue star": "a red cross",
    "a grey background with a small cyan heart at the centre": (
        "a grey background with a small cyan heart"
    ),
    "a small ring right of a large heart": "a small ring",
    "a red ring": "a red ring",
    # Traps.
    "there are two birds on a wire": "two birds",
    "a swimming pool with lounge chairs": "a swimming pool",
    "a large building in the city": "a large building",
    "a red bed in a room": "a red bed",
    "the inside of a church with stained glass windows": "the inside of a church",
    "a pair of shoes sitting on top of a box": "a pair of shoes",
    "a small, red circle in the middle": "a small, red circle",
    "a dog asleep on a sofa": "a dog",
    "A Dog Is sleeping": "A Dog",
    "  a  dog ": "a dog",
    "dog": "dog",
    "": "",
}


@pytest.mark.parametrize(("caption", "subject"), SUBJECTS.items())
def test_subject_is_the_leading_noun_phrase(caption: str, subject: str):
    assert subject_of(caption) == subject


@pytest.mark.parametrize(
    ("caption", "phrase"),
    [
        ("a train is on the tracks", "a train on the tracks"),
        ("a squirrel is eating some leaves", "a squirrel eating some leaves"),
        ("a lighthouse is seen in the distance", "a lighthouse seen in the distance"),
        ("a dog with a collar is sitting on a sofa", "a dog with a collar sitting on a sofa"),
        ("a cat is black", "a cat that is black"),
        ("a dog sits on a sofa", "a dog that sits on a sofa"),
        ("a church has a red roof", "a church that has a red roof"),
        ("a man who is holding a fish", "a man who is holding a fish"),
        ("there are two birds on a wire", "two birds on a wire"),
        ("a close up of an ostrich", "an ostrich up close"),
        ("a picture of a small ring", "a small ring"),
        ("an old photo of a ship in the water", "an old photo of a ship in the water"),
        (
            "on a white background, a red star at the left",
            "a red star at the left on a white background",
        ),
        ("on a table there is a red cup", "a red cup on a table"),
        ("in the picture a blue ring is at the top", "a blue ring at the top"),
        (
            "at the top right a red cross and at the centre a blue star on a navy background",
            "a red cross at the top right and at the centre a blue star on a navy background",
        ),
        ("a large volcano in the distance", "a large volcano in the distance"),
        ("a dog", "a dog"),
        ("", ""),
    ],
)
def test_noun_phrase_keeps_every_detail_and_can_follow_of(caption: str, phrase: str):
    assert noun_phrase_of(caption) == phrase


WORDS = st.sampled_from(
    ["a", "the", "On", "on", "at", "is", "are", "with", "of", "and", "dog", "red", "sitting"]
) | st.sampled_from(["ring", "perched", "there", "that", "photo", "close", "up", "house,", "{"])


@settings(derandomize=True, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_a_subject_is_a_run_of_the_captions_own_words(caption: str):
    assert f" {subject_of(caption)}" in f" {' '.join(caption.split())}"


@settings(derandomize=True, deadline=None)
@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_a_noun_phrase_adds_no_word_but_that(caption: str):
    added = set(noun_phrase_of(caption).replace(",", "").split()) - set(
        caption.replace(",", "").split()
    )
    assert added <= {"that"}
