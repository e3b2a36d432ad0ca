"""The rule on what a prompt does: it asks for an image, and asks nothing about one."""

import re

from vargpt_datagen.checks.candidate import Candidate
from vargpt_datagen.checks.reading import read
from vargpt_datagen.checks.vocabulary import INQUIRING_WORDS

_MAKE = (
    "make|create|generate|draw|render|produce|show|give|get|send|design|craft|paint|sketch|depict"
    "|visualise|visualize|picture|imagine|compose|provide|build|bring|conjure|whip|prepare|deliver"
    "|illustrate|capture|present|snap|shoot|take|fetch|display|share|construct|cook|put|try|help"
)
_MEDIUM = (
    "photo|photograph|picture|image|pic|shot|snapshot|scene|visual|illustration|drawing|painting"
    "|figure|sketch|render|rendering|view|depiction|portrait|graphic|artwork"
)

# Matched against the words of a prompt, one space between them.
_REQUEST = re.compile(
    r" (?:please|pls|plz|kindly|thanks|thank you|gimme|lemme"
    r"|(?:can|could|would|will|might|may) (?:you|u|ya|i|we|someone|anyone)"
    r"|(?:i|we)(?:'d| would| want| need| require| wish| request| fancy| could use| could do)"
    r"|(?:i'm|we're|i am|we are) (?:after|looking|hoping|in|trying|keen|dying|craving|interested)"
    r"|(?:i was|was) (?:hoping|wondering|thinking)|hoping (?:for|to)|i've been|in need of"
    r"|looking (?:for|to)|(?:like|love) to (?:see|have|get)|let me (?:see|have)"
    r"|let's (?:see|have|get|make|try|do|go)|how about|what about|why not|why don't you"
    r"|(?:would|do|could) (?:really |dearly |also |certainly )?"
    r"(?:love|like|with|use|appreciate|welcome)"
    r"|if (?:you (?:can|could|would|please)|possible)"
    r"|any chance|chance of|is it possible|would it be|it would be|it'd be|mind"
    r"|(?:need|want|request|require)(?:s|ed|ing|d)?|wanna|able to|are you able"
    r"|up for|time for|next up|my turn|do me"
    rf"|(?:{_MAKE}) (?:me|us|an?|the|some|up|one|out|this|my|your|another|together|sure)) "
)
# First words that make a request of whatever follows.
_OPENINGS = frozenset(
    f"{_MAKE}|please|turn|keep|add|use|pass|pick|choose|place|start|print|let|grab|find".split("|")
)
_MEDIA = frozenset(_MEDIUM.split("|")) | {f"{word}s" for word in _MEDIUM.split("|")}
_ANNOUNCES = re.compile(
    r" (?:here is|here's|here are|this is|these are|i have|i've|sure|below|it is"
    rf"|the (?:{_MEDIUM})) "
)

# Matched against the prompt itself, since a question about an image opens a sentence.
_INQUIRE = "describe|explain|identify|count|caption|summari[sz]e|analy[sz]e|classify"
_ASKS_ABOUT = re.compile(
    r"(?:^|[.!?] )(?:(?:hi|hello|hey|there|please|so|now|ok|okay|well|and|just|kindly|but)[ ,!]+)*"
    rf"(?:{_INQUIRE}|what(?! about| looks| appears| seems| i )|what's|who's|where's|whose"
    r"|how (?:many|much|old|big|far)"
    r"|(?:which|who|where|when|why|how) (?:is|are|was|were|do(?!n't)|does|did|has|can)"
    r"|which \w+ (?:is|are|does)|is (?:this|that|the)|are (?:these|those|the)"
    r"|is there(?! any| a (?:way|chance))|are there(?! any)|does (?:this|the)|do you see"
    r"|tell me (?:what|about|how|who|where|which|if)|look at (?:this|the))\b"
    rf"|(?:can|could|would|will|please) (?:you )?(?:please )?(?:{_INQUIRE}|tell (?:me|us)|look at"
    r"|write|list)\b|\bhow many\b"
    r"|\bin (?:this|the given|the attached) (?:image|picture|photo|photograph|pic)\b"
)


def prompt_not_request(candidate: Candidate) -> str | None:
    """A prompt that asks for no image, or asks about one, teaches to draw at the wrong time."""
    prompt = read(candidate.prompt)
    if " in this " in prompt.phrase or not prompt.watched.isdisjoint(INQUIRING_WORDS):
        about = _ASKS_ABOUT.search(candidate.prompt.lower())
        if about and about.group() not in candidate.caption.lower():
            return about.group().strip(" .!?")
    first_word = prompt.phrase[1 : prompt.phrase.find(" ", 1)]
    if first_word in _OPENINGS or _REQUEST.search(prompt.phrase):
        return None
    # A remark that names a medium asks too ("Photo of a dog.", "My wall lacks a photo of a dog."),
    # unless it hands one over or is the caption itself ("an old photo of a dog").
    is_remark = not _MEDIA.isdisjoint(prompt.words) and not _ANNOUNCES.match(prompt.phrase)
    if is_remark and not prompt.phrase.startswith(read(candidate.caption).phrase):
        return None
    return candidate.prompt[:60]
