"""Sentences of the offline writer: ways to ask for a picture, and to hand one over.

Slots: {of_it} "a photo of a dog", {it} "a dog", {photo} "a photo", {noun} "photo",
{make} "create", {making} "creating", {made} "created".
"""

from functools import cache
from typing import NamedTuple

REQUESTS = (
    "Can you {make} {of_it}?",
    "Can you {make} {of_it} for me?",
    "Can you please {make} {of_it}?",
    "Could you {make} {of_it}?",
    "Could you {make} {of_it} for me, please?",
    "Could you please {make} {of_it}?",
    "Would you {make} {of_it}?",
    "Would you please {make} {of_it} for me?",
    "Will you {make} {of_it} for me?",
    "Would you mind {making} {of_it}?",
    "Hi, can you {make} {of_it}?",
    "Hi there, could you {make} {of_it}?",
    "Hello, would you {make} {of_it}?",
    "Hey, can you show me {of_it}?",
    "Good morning, could you {make} {of_it}?",
    "Can you show me {of_it}?",
    "Can you give me {of_it}?",
    "Can I see {of_it}?",
    "Can I get {of_it}?",
    "Could I see {of_it}, please?",
    "Could I have {of_it}?",
    "May I have {of_it}?",
    "Might I ask for {of_it}?",
    "Could we have {of_it}?",
    "Can we see {it} in {photo}?",
    "Is it possible to {make} {of_it}?",
    "Would it be possible to {make} {of_it}?",
    "Do you think you could {make} {of_it}?",
    "Are you able to {make} {of_it}?",
    "Any chance of {of_it}?",
    "Any chance you could {make} {of_it}?",
    "How about {of_it}?",
    "Can you help me with {of_it}?",
    "Can you turn these words into {photo}: {it}?",
    "{Make} {of_it}.",
    "{Make} {of_it}, please.",
    "{Make} {of_it} for me.",
    "Please {make} {of_it}.",
    "Please {make} {of_it} for me.",
    "Please show me {of_it}.",
    "Please let me see {of_it}.",
    "Give me {of_it}.",
    "Give me {of_it}, please.",
    "Show me {of_it}.",
    "Show us {of_it}.",
    "Show me {it} in {photo}.",
    "Get me {of_it}.",
    "Send me {of_it}, please.",
    "Let me see {of_it}.",
    "Let me have {of_it}.",
    "Let's see {of_it}.",
    "Let's have {of_it}.",
    "Let's try {of_it}.",
    "Go ahead and {make} {of_it}.",
    "Just {make} {of_it}.",
    "Kindly {make} {of_it}.",
    "Now {make} {of_it}.",
    "Okay, now {make} {of_it}, please.",
    "Please turn this into {photo}: {it}.",
    "Use these words for {photo}: {it}.",
    "{Make} {photo} to go with this line: {it}.",
    "I need {of_it}.",
    "I need you to {make} {of_it}.",
    "I want {of_it}.",
    "I want to see {of_it}.",
    "I'd like {of_it}.",
    "I'd like to see {of_it}.",
    "I would like {of_it}.",
    "I would like you to {make} {of_it}.",
    "I'd love {of_it}.",
    "I'd love to see {of_it}.",
    "I'd love it if you could {make} {of_it}.",
    "I'm looking for {of_it}.",
    "I'm after {of_it}.",
    "I'm hoping for {of_it}.",
    "I am in need of {of_it}.",
    "I could use {of_it}.",
    "I could do with {of_it}.",
    "I was hoping you could {make} {of_it}.",
    "I was wondering if you could {make} {of_it}.",
    "I'd appreciate {of_it}.",
    "I'd be grateful for {of_it}.",
    "I wish to see {of_it}.",
    "We need {of_it}.",
    "We'd like {of_it}, please.",
    "We are looking for {of_it}.",
    "It would be great to see {of_it}.",
    "It would be lovely to have {of_it}.",
    "It'd be nice to get {of_it}.",
    "My next request is {of_it}.",
    "For my project I need {of_it}.",
    "For the wall I'd like {of_it}.",
    "For a slide, please {make} {of_it}.",
    "If you can, {make} {of_it}.",
    "If possible, I'd like {of_it}.",
    "When you have a moment, please {make} {of_it}.",
    "Whenever you are ready, show me {of_it}.",
    "Next up, {of_it}, please.",
    "Time for {of_it}, please.",
    "Quick one, please: {of_it}.",
    "So, can I get {of_it}?",
    "{Of_it}, please.",
    "{Of_it}, if you can.",
    "{Of_it} would be great, thanks.",
    "{It}, please, as {photo}.",
    "{It}, can you {make} {photo} like that?",
    "Think of {it} and {make} {photo} of that for me.",
    "Imagine {it}, then show it to me as {photo}.",
    "hey can you {make} {of_it}",
    "hey, gimme {of_it}",
    "can i get {of_it} please",
    "need {of_it} pls",
    "show me {of_it}",
    "{of_it} pls",
)

ANSWERS = (
    "Here is {of_it}.",
    "Here's {of_it}.",
    "Here's the {noun} of {it}.",
    "Here is the {noun} of {it}.",
    "Here is the {noun} you asked for, {it}.",
    "Here is your {noun} of {it}.",
    "Here's your {noun} of {it}.",
    "Here you go, {of_it}.",
    "There you go, {of_it}.",
    "Sure, here is {of_it}.",
    "Sure, here's the {noun} of {it}.",
    "Of course, here is {of_it}.",
    "Certainly, here is {of_it}.",
    "Absolutely, here's {of_it}.",
    "With pleasure, here is {of_it}.",
    "Gladly, here's {of_it}.",
    "Okay, here's {of_it}.",
    "Done, here is {of_it}.",
    "All done, here's your {noun} of {it}.",
    "As requested, here is {of_it}.",
    "As you asked, here's {of_it}.",
    "This is {of_it}.",
    "This is the {noun} of {it}.",
    "This is your {noun} of {it}.",
    "I have {made} {of_it}.",
    "I have {made} {of_it} for you.",
    "I've {made} {of_it}.",
    "I've {made} {of_it} for you.",
    "I have just {made} {of_it}.",
    "I have {made} the {noun} of {it}.",
    "I have {made} the {noun} you wanted, {it}.",
    "I {made} {of_it} for you.",
    "For you, I have {made} {of_it}.",
    "As requested, I have {made} {of_it}.",
    "Sure, I've {made} {of_it}.",
    "Your {noun} of {it} is ready.",
    "Your {noun} of {it} is done.",
    "Your {noun} is ready, {it}.",
    "The {noun} of {it} is ready.",
    "The {noun} of {it} is finished.",
    "The {noun} of {it} has been {made}.",
    "Below is {of_it}.",
    "Below is the {noun} of {it}.",
    "You asked for {of_it}, and here it is.",
    "You wanted {of_it}, so here it is.",
    "Take a look at {of_it}.",
    "Have a look, {of_it}.",
    "Let me show you {of_it}.",
    "Enjoy {of_it}.",
    "I am glad to show you {of_it}.",
)


class Making(NamedTuple):
    """One verb of making in the forms that sentences need."""

    make: str
    making: str
    made: str


MAKINGS = (
    Making("create", "creating", "created"),
    Making("generate", "generating", "generated"),
    Making("make", "making", "made"),
    Making("produce", "producing", "produced"),
    Making("render", "rendering", "rendered"),
    Making("prepare", "preparing", "prepared"),
    Making("put together", "putting together", "put together"),
    Making("compose", "composing", "composed"),
)


class Medium(NamedTuple):
    """What is asked for: a noun, with its article, and joined to what it shows."""

    noun: str
    photo: str
    of: str


MEDIA = (
    Medium("photo", "a photo", "a photo of"),
    Medium("photo", "a photo", "a photo showing"),
    Medium("picture", "a picture", "a picture of"),
    Medium("picture", "a picture", "a picture showing"),
    Medium("picture", "a picture", "a picture with"),
    Medium("image", "an image", "an image of"),
    Medium("image", "an image", "an image showing"),
    Medium("image", "an image", "an image with"),
    Medium("photograph", "a photograph", "a photograph of"),
    Medium("shot", "a shot", "a shot of"),
    Medium("image", "an image", "a scene with"),
    Medium("picture", "a picture", "a view of"),
)


class Forms(NamedTuple):
    """Every sentence spelt out up to the scene: per form, its variants with the marks below."""

    requests: tuple[tuple[str, ...], ...]
    answers: tuple[tuple[str, ...], ...]


SCENE, CAPITAL_SCENE = "{it}", "{It}"


def _spelt_out(form: str, media: tuple[Medium, ...]) -> tuple[str, ...]:
    variants = []
    for medium in media:
        of_it = f"{medium.of} {SCENE}".lstrip()
        for making in MAKINGS:
            variant = form.format(
                of_it=of_it,
                Of_it=f"{of_it[0].upper()}{of_it[1:]}" if medium.of else CAPITAL_SCENE,
                it=SCENE,
                It=CAPITAL_SCENE,
                photo=medium.photo,
                noun=medium.noun,
                make=making.make,
                Make=making.make.capitalize(),
                making=making.making,
                made=making.made,
            )
            variants.append(variant)
    return tuple(dict.fromkeys(variants))


def _forms(media: tuple[Medium, ...], *, without: str = "\n") -> Forms:
    return Forms(
        tuple(_spelt_out(form, media) for form in REQUESTS if without not in form),
        tuple(_spelt_out(form, media) for form in ANSWERS if without not in form),
    )


@cache
def forms_for(*, has_with: bool, has_medium: bool) -> Forms:
    """The sentences for a scene that already says "with", or that names its medium."""
    if has_medium:  # an old photo of a dog is asked for as such, not as "a picture of" it
        return _forms((Medium("picture", "a picture", ""),), without="{noun} of {it}")
    if has_with:  # not "a picture with a dog with a hat"
        return _forms(tuple(medium for medium in MEDIA if not medium.of.endswith(" with")))
    return _forms(MEDIA)
