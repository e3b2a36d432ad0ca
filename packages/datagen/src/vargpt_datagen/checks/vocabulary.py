"""Word lists of the checks, written for captions of photographs and of drawn scenes."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that name nothing in a picture: no evidence for or against a caption.
STOP_WORDS = _words(
    """
    a an the this that these those some any each every another other one ones
    i me my you your he him his she her it its we us our they them their who whom whose which what
    someone something anyone anything everyone everything nobody nothing there here
    of in on at to from by for with without into onto over under above below between among around
    near next beside behind before after through across along against toward towards upon within
    inside outside off out up down about as like than via per
    and or but nor so if while when where because not no very quite just too also only
    be is are am was were been being 's do does did have has had having can could will would shall
    should may might must get gets got let
    look looks looking looked seem seems see seen seeing show shows showing shown appear appears
    photo photos photograph photographs picture pictures pictured image images pic pics shot
    snapshot scene visual depiction close closeup view front various several many few lot lots group
    groups bunch couple pair please
    """
)

# Lemmas of handing a picture over: content in a caption, none in an answer.
ANNOUNCING_WORDS = _words(
    """
    make create generate draw render produce give send design craft sketch visualize visualise
    compose provide prepare deliver capture present want need ask request wish order love enjoy
    ready finish do go come sure course certainly happy pleasure glad good great thank way word
    follow set new requested put together bring
    """
)

# Words a good paraphrase exchanges, by lemma; each line is one meaning.
_ONE_MEANING = """
    person human individual figure
    man guy gentleman
    woman lady
    child kid
    baby infant
    puppy dog
    kitten cat
    large big huge giant
    small little tiny miniature
    old vintage antique
    colourful vibrant
    bike bicycle
    car automobile
    plane airplane aeroplane aircraft
    boat ship vessel
    sofa couch
    road street
    sea ocean
    rock stone
    forest woods
    tv television
    phone telephone cellphone smartphone
    sit perch rest seat
    stand gather
    lie lay
    hold carry
    middle centre
    grey gray
    background backdrop
    lawn grass
    circle disc disk
"""
SYNONYMS = {
    word: line.split()[0] for line in _ONE_MEANING.strip().splitlines() for word in line.split()
}

# American spelling, and lemmas the dictionary gets wrong for pictures ("leaves" is not "leave").
LEMMA_FIXES = {
    "leaves": "leaf",
    "color": "colour",
    "colors": "colour",
    "colored": "coloured",
    "colorful": "colourful",
    "center": "centre",
    "centered": "centre",
    "central": "centre",
    "glasses": "glasses",
    "left": "left",
    "upper": "top",
    "lower": "bottom",
    "better": "better",
    "kittens": "kitten",
    "puppies": "puppy",
}

# Colour words and the colour each counts as. Words that are as often a thing (lime, peach, rose,
# salmon, olive, cream) are left out: a false alarm costs a paid reply.
COLOURS = {
    word: line.split()[0]
    for line in (
        "red reddish crimson scarlet maroon burgundy",
        "orange orangish",
        "yellow yellowish",
        "green greenish",
        "blue bluish azure",
        "navy",
        "purple violet purplish",
        "pink pinkish",
        "brown brownish",
        "black blackish",
        "white whitish",
        "grey gray greyish grayish",
        "gold golden",
        "silver silvery",
        "cyan",
        "turquoise",
        "teal",
        "magenta",
        "beige",
        "indigo",
    )
    for word in line.split()
}

# "one" is left out: it is an article more often than a count.
NUMBERS = {
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "hundred": "100",
    "thousand": "1000",
}

# Words by which a caption counts without a numeral.
COUNTED_BY = {
    "couple": "2",
    "pair": "2",
    "both": "2",
    "double": "2",
    "twin": "2",
    "twins": "2",
    "duo": "2",
    "trio": "3",
    "triple": "3",
    "triplets": "3",
    "quartet": "4",
    "dozen": "12",
    "dozens": "12",
    "hundreds": "100",
    "thousands": "1000",
}

# Names a writer gives itself or its kind. The llama is an animal.
VENDOR_NAMES = _words(
    """
    deepseek chatgpt openai gpt gpt2 gpt3 gpt4 gpt4o gpt5 vargpt llava midjourney dall dalle
    anthropic claude gemini qwen chatglm ernie kimi mixtral blip blip2
    """
)

ENGLISH_WORDS = _words(
    """
    a an the of in on at to for with and is are i you me my i'd i'm i've here's it this that from by
    can could would will please need want like have has be your near over under into as give show
    make create generate what there his her its
    """
)

# Frequent words of other Latin-script languages that are no English words.
FOREIGN_WORDS = _words(
    """
    el los las una uno unos unas del de con por para que puedes puede imagen sobre esta est y favor
    le la les un une des du et avec dans sur pour peux moi voici une qui au aux cette dessus
    der das ein eine einen einem einer mit und von auf bitte bild ist ich zeige hier wie
    il lo gli di che immagine sulla puoi nel della ecco ho
    um uma os com imagem voce pode aqui na no em
    een het van op met afbeelding je kunt hier
    sebuah gambar dengan yang untuk saya ini adalah
    og med av et pa en som att till
    """
) - {"no", "hier"}

# What asking about a picture takes, in a prompt.
INQUIRING_WORDS = _words(
    """
    what what's which who who's whose where where's when why how is are does do tell look write list
    given attached describe explain identify count caption summarize summarise analyze analyse
    classify
    """
)

# What an answer needs to describe a picture, refuse, offer more, or announce a text.
DESCRIBING_WORDS = _words(
    """
    shows depicts features displays contains captures presents portrays illustrates reveals includes
    appears seems provided uploaded shared sent attached see seen shown
    """
)
REFUSING_WORDS = _words(
    """
    cannot can't not couldn't won't unable ai model sorry apologize apologise apologies based
    unfortunately ability capability
    """
)
OFFERING_WORDS = _words("know would free you'd if anything else do shall should happy ask say tell")
TEXT_WORDS = _words(
    """
    description caption text story poem paragraph summary prompt explanation essay article list
    sentence outline code describe explain described
    """
)

WATCHED_WORDS = frozenset().union(
    COLOURS,
    NUMBERS,
    VENDOR_NAMES,
    FOREIGN_WORDS,
    INQUIRING_WORDS,
    DESCRIBING_WORDS,
    REFUSING_WORDS,
    OFFERING_WORDS,
    TEXT_WORDS,
)
