"""Every rule with texts it rejects and texts it accepts; the reason asserted is the first fault."""

import pytest

from vargpt_datagen.checks import RULES, Candidate, Shot, first_fault, normalise, normalise_answer

DOG = "a dog asleep on a sofa"
PROMPT = "Can you make a photo of a dog asleep on a sofa?"
ANSWER = "Here is a photo of a dog asleep on a sofa."
SEEDS = (
    "Ask as a friend would in a chat, in one short question.",
    "Keep every detail of the caption on both sides.",
    "Announce it plainly, beginning with 'Here is'.",
)
SHOTS = (
    Shot("a red bus in the rain", "I need a red bus in the rain.", "Here is the red bus."),
    Shot("two cats on a wall", "Show me two cats on a wall.", "Here are the two cats."),
    Shot("a dog asleep on a chair", "A dog asleep on a chair, please.", "Here is the dog."),
    Shot("a baker", "A photo of a baker, please.", "Here is the baker."),
)


def judged(prompt: str = PROMPT, answer: str = ANSWER, caption: str = DOG) -> str | None:
    fault = first_fault(
        Candidate(
            prompt=normalise(prompt),
            answer=normalise_answer(answer),
            caption=caption,
            shots=SHOTS,
            seeds=SEEDS,
        )
    )
    return fault and fault.reason


def of(caption: str, extra: str = "") -> dict[str, str]:
    """A plain pair about a caption, with something added to its answer."""
    return {
        "prompt": f"Please show me a photo of {caption}.",
        "answer": f"Here is the photo of {caption}{extra}.",
        "caption": caption,
    }


REJECTED: dict[str, list[dict[str, str]]] = {
    "special_token": [
        {"answer": "Here is a dog asleep on a sofa.<image_gen>"},
        {"prompt": "<image> Make a photo of a dog asleep on a sofa."},
        {"answer": "Here is a photo of a dog asleep on a sofa.</s>"},
        {"prompt": "Make a photo of a dog asleep on a sofa.<|im_end|>"},
        {"prompt": "USER: Make a photo of a dog asleep on a sofa."},
        {"answer": "Assistant: Here is a photo of a dog asleep on a sofa."},
        {"answer": "Here is a dog asleep on a sofa.<\uff5cend\u2581of\u2581sentence\uff5c>"},
    ],
    "vendor_name": [
        {"prompt": "Hey ChatGPT, make a photo of a dog asleep on a sofa."},
        {"answer": "As DeepSeek, I made a photo of a dog asleep on a sofa."},
        {"answer": "This photo by VARGPT is of a dog asleep on a sofa."},
        {"prompt": "Use DALL-E for a photo of a dog asleep on a sofa."},
        {"prompt": "Use Stable Diffusion for a photo of a dog asleep on a sofa."},
        {"answer": "Here is a dog asleep on a sofa, made by OpenAI."},
    ],
    "prompt_equals_answer": [
        {"prompt": ANSWER},
        {"answer": PROMPT},
        {"answer": PROMPT.upper()},
        {"prompt": "A dog asleep on a sofa, please!", "answer": "A dog asleep on a sofa please."},
        {"prompt": "Photo: a dog asleep on a sofa", "answer": "photo a dog asleep on a sofa"},
    ],
    "seed_copy": [
        {"prompt": SEEDS[0]},
        {"answer": SEEDS[2]},
        {"prompt": "Ask as a friend would in a chat, in a short question."},
        {"prompt": "keep every detail of the caption on both sides"},
        {"answer": f"{SEEDS[1]} Here is a photo of a dog asleep on a sofa."},
    ],
    "markup": [
        {"answer": '"Here is a photo of a dog asleep on a sofa."'},
        {"prompt": "'Make a photo of a dog asleep on a sofa.'"},
        {"answer": "**Here is a photo of a dog asleep on a sofa.**"},
        {"prompt": "1. Make a photo of a dog asleep on a sofa."},
        {"prompt": "- Make a photo of a dog asleep on a sofa."},
        {"prompt": "Make a photo:\n a dog asleep on a sofa."},
        {"answer": "Here is a dog asleep on a sofa. \U0001f436"},
        {"answer": 'Here is a dog asleep on a sofa."}'},
        {"prompt": "Prompt: make a photo of a dog asleep on a sofa."},
        {"answer": "Here is a <b>dog</b> asleep on a sofa."},
        {"answer": "Here is a dog asleep on a sofa, see www.example.com for it."},
        {"prompt": "Make a photo of a dog asleep on a sofa :)"},
        {"prompt": "# Photo\u200b of a dog asleep on a sofa, please."},
    ],
    "language": [
        {"answer": "\u8fd9\u662f\u4e00\u5f20\u72d7\u5728\u6c99\u53d1\u4e0a\u7684\u7167\u7247"},
        {"prompt": "Genera una imagen de un perro en el sofa por favor."},
        {"prompt": "Montre moi une photo de un chien sur le canape."},
        {"answer": "Hier ist ein Bild von einem Hund auf dem Sofa."},
        {"prompt": "Bitte zeige mir ein Foto mit dem Hund auf dem Sofa."},
        {"answer": "Here is \u4e00\u53ea\u72d7, a dog asleep on a sofa."},
        {"answer": "Ecco la immagine di un cane che dorme sulla poltrona."},
        {"prompt": "Poprosze zdjecie psa spiacego kanapie swietle dnia."},
    ],
    "prompt_length": [
        {"prompt": "Dog photo please."},
        {"prompt": "Photo."},
        {"prompt": "A dog, please."},
        {"prompt": PROMPT + " dog" * 29},
        {"prompt": "Please make " + "a dog asleep on a sofa and " * 8},
    ],
    "answer_length": [
        {"answer": "Done."},
        {"answer": "Here it is."},
        {"answer": "A dog asleep."},
        {"answer": ANSWER + " dog" * 40},
        {"answer": "Here is " + "a dog asleep on a sofa and " * 8},
    ],
    "refusal": [
        {"answer": "I cannot make a photo of a dog asleep on a sofa."},
        {"answer": "I'm sorry, but a dog asleep on a sofa is too much."},
        {"answer": "As an AI, I have no photo of a dog asleep on a sofa."},
        {"answer": "I am unable to draw a dog asleep on a sofa."},
        {"answer": "Unfortunately, a dog asleep on a sofa is not available."},
        {"answer": "I am a text-based assistant, so imagine a dog asleep on a sofa."},
        {"answer": "I can\u2019t generate a photo of a dog asleep on a sofa."},
        {"answer": "A language model has no photo of a dog asleep on a sofa."},
    ],
    "prompt_not_request": [
        {"prompt": "What is the dog doing on the sofa?"},
        {"prompt": "Describe the photo of a dog asleep on a sofa."},
        {"prompt": "How many dogs are asleep on the sofa?"},
        {"prompt": "A dog is asleep on a sofa."},
        {"prompt": "Here is your photo of a dog asleep on a sofa."},
        {"prompt": "Can you describe a dog asleep on a sofa?"},
        {"prompt": "Is the dog in the photo asleep on a sofa?"},
        {"prompt": "Hi, what breed is the dog asleep on the sofa in the photo?"},
        {"prompt": "Please tell me about the dog asleep on the sofa."},
        {"prompt": "Can you see a dog asleep on a sofa in this image?"},
        {"prompt": "The picture shows a dog asleep on a sofa"},
        {"prompt": "I have a photo of a dog asleep on a sofa."},
        {**of("an old photo of a dog"), "prompt": "an old photo of a dog"},
    ],
    "answer_describes_input": [
        {"answer": "The image shows a dog asleep on a sofa."},
        {"answer": "This picture depicts a dog asleep on a sofa."},
        {"answer": "In this photo, a dog is asleep on a sofa."},
        {"answer": "The photo you uploaded has a dog asleep on a sofa."},
        {"answer": "In the image, a dog is asleep on a sofa."},
        {"answer": "I can see a dog asleep on a sofa."},
        {"answer": "The provided picture is of a dog asleep on a sofa."},
    ],
    "answer_promises_text": [
        {"answer": "Here is the description of a dog asleep on a sofa."},
        {"answer": "Here's a detailed caption for a dog asleep on a sofa."},
        {"answer": "I will describe a dog asleep on a sofa."},
        {"answer": "Below is a short story about a dog asleep on a sofa."},
        {"answer": "I have written a poem about a dog asleep on a sofa."},
        {"answer": "A dog asleep on a sofa is described below."},
    ],
    "answer_follow_up": [
        {"answer": "Here is a dog asleep on a sofa. Do you like it?"},
        {"answer": "Here is a dog asleep on a sofa, let me know what you think."},
        {"answer": "Here is a dog asleep on a sofa. Would you like another"},
        {"answer": "Here is a dog asleep on a sofa, and feel free to ask for more."},
        {"answer": "Here is a dog asleep on a sofa. If you need changes, just say so."},
        {"answer": "Here is a dog asleep on a sofa, ask for anything else."},
    ],
    "shot_copy": [
        {"prompt": "Please make a photo of a red bus in the rain."},
        {"answer": "Here is a photo of a red bus in the rain."},
        {"answer": "I have created an image of two cats on a wall."},
        {"prompt": "I'd like two cats on a wall in a photo."},
        {"prompt": "Could I have a photo of a baker, please?"},
        {"answer": "Here is the red bus in the rain with the dog you wanted."},
    ],
    "new_colour": [
        {"prompt": "Can you make a photo of a brown dog asleep on a sofa?"},
        {"answer": "Here is a photo of a dog asleep on a green sofa."},
        {"answer": "Here is a black-and-white photo of a dog asleep on a sofa."},
        {"prompt": "I need a golden dog asleep on a sofa."},
        {**of("a red circle"), "answer": "Here is the photo of a red and blue circle."},
        {**of("a navy background"), "answer": "Here is the photo of a blue background."},
        {**of("a covered wagon"), "answer": "Here is the photo of a red covered wagon."},
    ],
    "new_number": [
        {"prompt": "Can you make a photo of two dogs asleep on a sofa?"},
        {"answer": "Here are three photos of a dog asleep on a sofa."},
        {"answer": "Here is a dog asleep on a sofa with 4 pillows."},
        {"prompt": "I want a dog asleep on a sofa, taken in 1985."},
        {**of("two sheep"), "answer": "Here is the photo of three sheep."},
        {**of("a couple of parrots"), "prompt": "Show me a photo of five parrots."},
        {**of("a black and white dog"), "answer": "Here are the two black and white dogs."},
    ],
    "prompt_off_caption": [
        {"prompt": "Can you make a photo of something nice?"},
        {"prompt": "Please create a picture of a mountain lake."},
        {"prompt": "I would like to see an image of a castle."},
        {"prompt": "Show me an animal on some furniture."},
        {"prompt": "Give me a picture like the one before."},
    ],
    "answer_off_caption": [
        {"answer": "Here is a photo of a mountain lake."},
        {"answer": "I have made the image that you dreamed of yesterday."},
        {"answer": "Here is the castle by the river."},
        {"answer": "The picture is ready for you."},
        {"answer": "Sure, this is the train at the station."},
    ],
}

ACCEPTED: dict[str, list[dict[str, str]]] = {
    "special_token": [
        {"prompt": "Make this photo for me: a dog asleep on a sofa."},
        {"prompt": "Image of a dog asleep on a sofa, please."},
        of("a user of a computer"),
        of("an assistant in a shop"),
        of("a sign that says s and pad"),
    ],
    "vendor_name": [
        of("a llama in a field"),
        of("a chatbot robot toy"),
        of("a chatgpt logo on a screen"),
        of("a stable with a horse"),
        of("a diffusion of light"),
    ],
    "prompt_equals_answer": [
        {},
        {"prompt": "A dog asleep on a sofa, please.", "answer": "A dog asleep on a sofa it is."},
        {"answer": "Here is a dog asleep on a sofa."},
        {"prompt": "Photo of a dog asleep on a sofa.", "answer": "A photo of a dog on a sofa."},
        {"prompt": "Show me a dog asleep on a sofa.", "answer": "I show you a dog on a sofa."},
    ],
    "seed_copy": [
        {},
        {"prompt": "Ask a friend for a photo of a dog asleep on a sofa, please."},
        {"answer": "Here is the dog asleep on a sofa, plainly."},
        of("a chat of a friend with a dog in one short question"),
        of("a caption on both sides of a bus"),
    ],
    "markup": [
        of("a sign that says no parking"),
        {**of("a sign that says stop"), "prompt": 'Show me a sign that says "stop".'},
        {"prompt": "Here's what I need: a dog asleep on a sofa; nothing else."},
        {"answer": "Here's the photo (a dog asleep on a sofa)."},
        {"answer": "It's a dog's nap - a dog asleep on a sofa."},
        of("a shirt with a #1 on it"),
        of("a bottle that says 50% off & more"),
        {"prompt": "\u201cDog asleep\u201d on a sofa, please, as a photo\u2026"},
    ],
    "language": [
        of("a caf\u00e9 with a jalape\u00f1o"),
        of("a statue in los angeles"),
        of("el camino de la costa"),
        of("a van on the road in la paz"),
        {"prompt": "Dog asleep, sofa, photo please."},
        {"prompt": "Photo request: dog, sofa, asleep."},
    ],
    "prompt_length": [
        {"prompt": "Dog asleep photo, please."},
        {"prompt": "Show me a dog asleep on a sofa."},
        {"prompt": PROMPT + " dog" * 28},
        of("corn on the cob"),
        of("a dog"),
    ],
    "answer_length": [
        {"answer": "A dog is ready."},
        {"answer": "Here is the dog."},
        {"answer": "A dog asleep on a sofa."},
        {"answer": ANSWER + " dog" * 39},
        of("a panda bear"),
    ],
    "refusal": [
        of("a sign that says sorry"),
        {"prompt": "I cannot draw, so please make a photo of a dog asleep on a sofa."},
        {"answer": "It was no trouble, here is a dog asleep on a sofa."},
        {"answer": "Sorry for the wait, here is a dog asleep on a sofa."},
        of("a can of soup based on a recipe"),
        {"answer": "I could hardly wait to show you a dog asleep on a sofa."},
    ],
    "prompt_not_request": [
        {"prompt": "Give me an image of a dog asleep on a sofa."},
        {"prompt": "I'm after a dog asleep on a sofa."},
        {"prompt": "When you have a moment, please draw a dog asleep on a sofa."},
        {"prompt": "hey, gimme a pic of a dog asleep on a sofa"},
        {"prompt": "Photo of a dog asleep on a sofa."},
        {"prompt": "How about a dog asleep on a sofa?"},
        {"prompt": "My wall looks empty without a picture of a dog asleep on a sofa."},
        {"prompt": "Is there any chance of a dog asleep on a sofa?"},
        {"prompt": "May I see a dog asleep on a sofa?"},
        {"prompt": "Why not make a dog asleep on a sofa next?"},
        of("what looks like a boat"),
        of("a man sitting in front of a description board"),
        of("a man explaining how many fish he caught"),
    ],
    "answer_describes_input": [
        {"answer": "Here is the image showing a dog asleep on a sofa."},
        {"answer": "The image of a dog asleep on a sofa has been made."},
        {"answer": "Your photo is ready, and a dog is asleep on a sofa in it."},
        {"answer": "As you will see, here is a dog asleep on a sofa."},
        {"answer": "The picture of a dog asleep on a sofa is as follows."},
        of("a man who shows a picture"),
    ],
    "answer_promises_text": [
        of("a man sitting in front of a description board"),
        of("a description of a plant on a sign"),
        {"answer": "Following your description, here is a dog asleep on a sofa."},
        {"answer": "To go with your story, here is a dog asleep on a sofa."},
        {"answer": "Here is the picture for your list, a dog asleep on a sofa."},
        of("a page of text and a poem"),
    ],
    "answer_follow_up": [
        {"prompt": "Would you like to draw a dog asleep on a sofa?"},
        {"answer": "I am happy to present a dog asleep on a sofa."},
        {"answer": "Here is the dog asleep on a sofa, I hope you enjoy it."},
        {"answer": "As you would like it, here is a dog asleep on a sofa."},
        of("a sign that says why not?"),
        of("a sign that says let me know"),
    ],
    "shot_copy": [
        of("a dog asleep on a chair"),
        of("a dog asleep on a bench"),
        of("a red bus on a bridge"),
        of("three cats on a roof"),
        {"answer": "Here is a dog asleep on a sofa, not on a chair."},
        of("a man who is baking"),
    ],
    "new_colour": [
        of("a yellow and black fish with a blue face"),
        {**of("a grey wall"), "answer": "Here is the photo of a gray wall."},
        {**of("a blackbird on a wall"), "answer": "Here is a black bird on a wall."},
        {**of("a gold candle"), "answer": "Here is the photo of a golden candle."},
        {"prompt": "Show me a colourful photo of a dog asleep on a sofa."},
        {"answer": "Here is a rose-tinted photo of a dog asleep on a sofa."},
    ],
    "new_number": [
        {**of("a couple of parrots"), "answer": "Here are the two parrots."},
        {**of("a pair of shoes"), "prompt": "I need a photo of two shoes."},
        {**of("2 dogs"), "answer": "Here is the photo of two dogs."},
        of("two hundred sheep"),
        {**of("a man and a woman"), "answer": "Here are the two people, a man and a woman."},
        {"prompt": "Show me one photo of a dog asleep on a sofa in 4k."},
        of("a bus with the number 27"),
    ],
    "prompt_off_caption": [
        {"prompt": "Can you show a dog on a couch?"},
        {"prompt": "Please draw a puppy that is asleep."},
        {**of("a large volcano in the distance"), "prompt": "I want to see a huge volcano."},
        of("a photo of a"),
        {**of("a close up of an ostrich"), "prompt": "Give me a photo of an ostrich."},
        {
            **of("a small red circle at the top left"),
            "prompt": "Show me a little red circle in the upper left corner.",
        },
    ],
    "answer_off_caption": [
        {"answer": "Here is your dog."},
        {"answer": "For the wall of your school, here is a dog on a couch."},
        {
            **of("a white church with a red star on the roof"),
            "answer": "I have put together a picture of a white church.",
        },
        {**of("a cat with a yellow eye"), "answer": "Of course, the picture of a cat is ready."},
        {
            "prompt": "For my slides I need a dog asleep on a sofa.",
            "answer": "For your slides, this is a dog.",
        },
    ],
}


@pytest.mark.parametrize(
    ("reason", "case"), [(reason, case) for reason, cases in REJECTED.items() for case in cases]
)
def test_rule_rejects(reason: str, case: dict[str, str]):
    assert judged(**case) == reason


@pytest.mark.parametrize("case", [case for cases in ACCEPTED.values() for case in cases])
def test_good_text_is_accepted_by_every_rule(case: dict[str, str]):
    assert judged(**case) is None


def test_every_rule_has_five_cases_of_both_kinds():
    reasons = {rule.__name__ for rule in RULES}
    assert reasons == REJECTED.keys() == ACCEPTED.keys()
    for cases in (*REJECTED.values(), *ACCEPTED.values()):
        assert len(cases) >= 5


def test_reasons_are_distinct_and_every_rule_says_why():
    names = [rule.__name__ for rule in RULES]
    assert len(set(names)) == len(names) == 18
    assert all(rule.__doc__ for rule in RULES)


def test_fault_tells_the_offending_words():
    case = Candidate(prompt=PROMPT, answer="Here is a purple dog asleep on a sofa.", caption=DOG)
    fault = first_fault(case)
    assert fault == ("new_colour", "purple")
