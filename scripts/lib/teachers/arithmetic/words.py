"""Words beside numbers: units and their ratios, operators, and what makes a number only a part of what is said."""

# Ratios within a family allow a second reading, in which "30 minutes * 4 = 2 hours" holds.
_FAMILIES = {
    "time": "second sec 1 minute min 60 hour hr 3600 day 86400 week 604800 month 2592000 year 31536000",
    "money": "cent penny pennies 1 nickel 5 dime 10 quarter 25 dollar $ 100",
    "length": "inch inches 1 foot feet ft 12 yard 36 mile 63360",
    "metric length": "mm millimeter 1 cm centimeter 10 meter metre 1000 km kilometer kilometre 1000000",
    "mass": "ounce oz 1 pound lb 16 ton 32000",
    "metric mass": "mg milligram 1 gram 1000 kg kilogram 1000000",
    "volume": "cup 1 pint 2 quart 4 gallon 16",
    "metric volume": "ml milliliter millilitre 1 liter litre 1000",
    "count": "dozen 12 hundred 100 thousand 1000 million 1000000 billion 1000000000",
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNITS: dict[str, tuple[str, int]] = {}
for _family, _line in _FAMILIES.items():
    _names: list[str] = []
    for _word in _line.split():
        if _word.isdigit():
            UNITS |= {name + ending: (_family, int(_word)) for name in _names for ending in ("", "s")}
            _names = []
        else:
            _names.append(_word)
ATTACHED = UNITS.keys() | _words("mph kph mins gb mb kb percent")
APPROXIMATE = _words("about approximately approx roughly around nearly almost")
OPERATOR_WORDS = {"plus": "+", "minus": "-", "times": "*", "of": "*"}
# After one of these words a number is only part of what they say ("twice 3 + 1"), or a label ("Day 3 = 5 * 2").
PART_BEFORE = _words(
    "twice thrice half double triple quarter plus minus times per than root mod base"
    " step day week month year number part question problem case level grade page figure option room"
)
FRACTION_WORDS = _words("half third thirds quarter quarters fourth fourths fifth fifths percent twice double")
SENTENCE_WORDS = _words(
    "and or but so when because since as then therefore thus hence which that if is are was were has have had do does"
    " gives makes means equals"
)
SHORT_WORDS = UNITS.keys() | _words("of in on at by to is as an or if so he we it my no up us am pm be do go me")
NOT_UNITS = _words("squared cubed factorial choose mod modulo pi sqrt halves thirds log ln sin cos tan")
