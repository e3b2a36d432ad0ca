"""What the guidelines of one batch differ in: without it an LLM soon says the same again."""

from vargpt_schema.seeds import SeedKind

# A batch takes the next one of its kind, and after the last the first again.
FOCUSES: dict[SeedKind, tuple[str, ...]] = {
    "prompt": (
        "the first words of the request, given literally in single quotes",
        "the person who speaks: an age, an occupation, a situation or a temper heard in the "
        "way of asking",
        "the kind of sentence: question, order, wish, remark, condition, note, two short sentences",
        "tone: from formal to playful, from hurried to patient, from shy to sure",
        "order and length: what comes first, what comes last, how much politeness there is and "
        "where it stands",
        "the choice of words: the noun for the picture (photo, image, shot and the like), the verb "
        "of making, showing or wanting, pronouns and contractions",
        "the place where it is said or written: chat, letter, telephone, search box, counter, "
        "order slip, list of tasks",
        "the last words of the request, given literally in single quotes",
    ),
    "caption": (
        "the order in which subject, action, details and place are told, in one text or in both",
        "what is kept word for word and what is put in other words, and in which of the two texts",
        "grammar: noun phrase, clause, participle, relative clause, active and passive, tense, "
        "singular and plural",
        "what one of the two texts may leave out, and what it must keep",
        "the choice of words: synonyms, short or careful words, prepositions, articles, compound "
        "nouns, filler",
        "captions out of the ordinary: very short, long, clumsy, cut off, repeating themselves, "
        "without a verb, with several subjects; each guideline says what to do in all other cases",
        "how the two texts relate: which is fuller, what they share, how each begins and ends",
        "care for the facts: what must not be guessed, counted, renamed, merged or exchanged",
    ),
    "answer": (
        "the first words of the answer, given literally in single quotes",
        "the voice: a shop assistant, a friend, a studio, a machine and others who hand something "
        "over, from formal to warm",
        "the kind of statement: active or passive, present, past or perfect, with or without 'I' "
        "and 'you'",
        "order and length: where the announcement stands, where the scene, and how long each is",
        "the choice of words: the noun for the picture, the verb of making or handing over, "
        "adverbs, contractions",
        "how much of the scene is said again, from the bare subject to every detail",
        "how it takes up the request: its register, its courtesy, its form as a question or order",
        "the last words of the answer, given literally in single quotes",
    ),
}
