r"""Units of measurement: what they measure, and how large they are.

A unit is read as a product of powers, so that `\text{km/h}`, `m s^{-1}` and "square inches" can be compared. The table
is our own: pint takes longer to load than all else here together, and takes a lone "a" for a year.
"""

import functools
import re
from dataclasses import dataclass
from fractions import Fraction

TEXT = re.compile(r"\\text\s*\{((?:[^{}]|\{[^{}]*\})*)\}")
KILO, CENTI, MILLI, MICRO, NANO, PICO = (Fraction(10) ** power for power in (3, -2, -3, -6, -9, -12))
INCH = Fraction(254, 10_000)
POUND = Fraction(45_359_237, 100_000_000)

ANY = "unit"  # of whatever kind: only its power can be compared

# What it measures, then the size in SI units (or in a unit of its own kind), then its names.
_TABLE: tuple[tuple[str, Fraction | int, str], ...] = (
    ("m", 1, "m meter metre"),
    ("m", KILO, "km kilometer kilometre"),
    ("m", CENTI, "cm centimeter centimetre"),
    ("m", Fraction(1, 10), "dm decimeter decimetre"),
    ("m", MILLI, "mm millimeter millimetre"),
    ("m", MICRO, "μm um micrometer micrometre micron"),
    ("m", NANO, "nm nanometer nanometre"),
    ("m", PICO, "pm picometer picometre"),
    ("m", Fraction(1, 10**10), "Å angstrom"),
    ("m", INCH, "in inch inche"),
    ("m", 12 * INCH, "ft foot feet"),
    ("m", 36 * INCH, "yd yard"),
    ("m", 63_360 * INCH, "mi mile"),
    ("m", 149_597_870_700, "AU au"),
    ("m", 9_460_730_472_580_800, "ly light-year lightyear"),
    ("m", Fraction("3.0856775814913673e16"), "pc parsec"),
    ("m", Fraction("3.0856775814913673e19"), "kpc"),
    ("m", Fraction("3.0856775814913673e22"), "Mpc"),
    ("m2", 4840 * 9 * 144 * INCH**2, "acre"),
    ("m2", 10_000, "ha hectare"),
    ("m3", MILLI, "L l liter litre"),
    ("m3", MICRO, "mL ml cc milliliter millilitre"),
    ("m3", 231 * INCH**3, "gal gallon"),
    ("m3", 231 * INCH**3 / 4, "qt quart"),
    ("m3", 231 * INCH**3 / 8, "pt pint"),
    ("m3", 231 * INCH**3 / 16, "cup"),
    ("s", 1, "s sec second"),
    ("s", 60, "min minute"),
    ("s", 3600, "h hr hour"),
    ("s", 86_400, "day"),
    ("s", 604_800, "week"),
    ("s", MILLI, "ms millisecond"),
    ("s", MICRO, "μs us microsecond"),
    ("s", NANO, "ns nanosecond"),
    ("s", 31_557_600, "yr year"),
    ("s", 31_557_600 * KILO**2, "Myr"),
    ("s", 31_557_600 * KILO**3, "Gyr"),
    ("s", Fraction(31_557_600, 12), "month"),
    ("kg", 1, "kg kilogram kilo"),
    ("kg", MILLI, "g gm gram"),
    ("kg", MICRO, "mg milligram"),
    ("kg", 1000, "tonne"),
    ("kg", POUND, "lb lbs pound"),
    ("kg", POUND / 16, "oz ounce"),
    ("ton", 1, "ton"),
    ("kg", Fraction("1.66053906660e-27"), "amu u"),
    ("kg m s-2", 1, "N newton"),
    ("kg m s-2", KILO, "kN"),
    ("kg m2 s-2", 1, "J joule"),
    ("kg m2 s-2", KILO, "kJ kilojoule"),
    ("kg m2 s-2", KILO**2, "MJ"),
    ("kg m2 s-2", Fraction(1, 10**7), "erg"),
    ("kg m2 s-2", Fraction("4.184"), "cal calorie"),
    ("kg m2 s-2", Fraction("4184"), "kcal"),
    ("kg m2 s-2", Fraction("1.602176634e-19"), "eV"),
    ("kg m2 s-2", Fraction("1.602176634e-16"), "keV"),
    ("kg m2 s-2", Fraction("1.602176634e-13"), "MeV"),
    ("kg m2 s-2", Fraction("1.602176634e-10"), "GeV"),
    ("kg m2 s-2", 3_600_000, "kWh"),
    ("kg m2 s-3", 1, "W watt"),
    ("kg m2 s-3", KILO, "kW kilowatt"),
    ("kg m2 s-3", KILO**2, "MW"),
    ("kg m2 s-3", MILLI, "mW"),
    ("kg m-1 s-2", 1, "Pa pascal"),
    ("kg m-1 s-2", KILO, "kPa"),
    ("kg m-1 s-2", KILO**2, "MPa"),
    ("kg m-1 s-2", KILO**3, "GPa"),
    ("kg m-1 s-2", 100_000, "bar"),
    ("kg m-1 s-2", 101_325, "atm"),
    ("kg m2 s-3 A-1", 1, "V volt"),
    ("kg m2 s-3 A-1", MILLI, "mV"),
    ("kg m2 s-3 A-1", KILO, "kV"),
    ("A", 1, "A amp ampere"),
    ("A", MILLI, "mA"),
    ("kg m2 s-3 A-2", 1, "Ω ohm"),
    ("kg m2 s-3 A-2", KILO, "kΩ"),
    ("A s", 1, "C coulomb"),
    ("kg-1 m-2 s4 A2", 1, "F farad"),
    ("kg-1 m-2 s4 A2", MICRO, "μF"),
    ("kg s-2 A-1", 1, "T tesla"),
    ("s-1", 1, "Hz hertz"),
    ("s-1", KILO, "kHz"),
    ("s-1", KILO**2, "MHz"),
    ("s-1", KILO**3, "GHz"),
    (ANY, 1, "unit"),
    ("rpm", 1, "rpm"),
    ("K", 1, "K kelvin"),
    ("celsius", 1, "°C celsius"),
    ("fahrenheit", 1, "°F fahrenheit"),
    ("mol", 1, "mol mole"),
    ("rad", 1, "rad radian"),
    ("degree", 1, "° deg degree"),
    ("dollar", 1, "dollar usd USD buck"),
    ("dollar", Fraction(1, 100), "cent ¢"),
    ("euro", 1, "euro EUR"),
    ("gbp", 1, "gbp GBP"),
    ("yen", 1, "yen JPY"),
    ("rupee", 1, "rupee INR Rs"),
    ("m s-1", 1609344 * MILLI / 3600, "mph"),
    ("m s-1", Fraction(1000, 3600), "kph kmh kmph"),
)  # fmt: skip
# Words with a meaning of their own, which are units only where a unit must stand.
CLOCK = frozenset({"am", "pm"})


@dataclass(frozen=True)
class Unit:
    """What a unit measures (base units with their powers, sorted), and its size in these."""

    dimension: tuple[tuple[str, int], ...]
    size: Fraction


def _dimension(text: str) -> dict[str, int]:
    pieces = [re.fullmatch(r"([A-Za-z]+?)(-?\d)?", piece) for piece in text.split()]
    return {piece[1]: int(piece[2] or 1) for piece in pieces}


UNITS: dict[str, tuple[dict[str, int], Fraction]] = {
    name: (_dimension(dimension), Fraction(size)) for dimension, size, names in _TABLE for name in names.split()
}
CURRENCIES = {"$": "dollar", "€": "euro", "£": "gbp", "¥": "yen", "₹": "rupee"}


def known(word: str) -> str | None:
    """The name in the table that `word` stands for: itself, in lower case, or its singular."""
    for name in (word, word.lower(), word.lower().removesuffix("s"), word.lower().removesuffix(".")):
        if name in UNITS:
            return name
    return None


@functools.lru_cache(maxsize=4096)
def parse(text: str) -> Unit | None:
    r"""The unit that `text` states, or None if a part of it is no unit of the table.

    >>> parse("\\text{km/h}").size
    Fraction(5, 18)
    """
    text = TEXT.sub(r" \1", text).replace("\\", " ").replace("{}", "")
    text = re.sub(r"\bper\b", "/", text)
    text = re.sub(r"(?i)\bdegrees?\s+(celsius|fahrenheit)", r"\1", text)
    text = re.sub(r"\b(?:square|sq)\.?\s+([A-Za-z]+)", r"\1^2", text)
    text = re.sub(r"\bcubic\s+([A-Za-z]+)", r"\1^3", text)
    text = re.sub(r"\b([A-Za-z]+)\s+squared\b", r"\1^2", text)
    dimension: dict[str, int] = {}
    size = Fraction(1)
    pieces = re.findall(r"[°A-Za-zμΩÅ¢][A-Za-zμΩ-]*|\^\s*\{?\s*[-+]?\d\s*\}?|[/*()·.]|\S", text)
    power_sign, group, name = 1, False, None
    for index, piece in enumerate(pieces):
        if piece == "/":
            power_sign, group = -1, index + 1 < len(pieces) and pieces[index + 1] == "("
        elif piece == ")":
            power_sign, group = 1, False
        elif piece[0] == "^" or piece in "*·.(":
            continue
        else:
            name = known(piece)
            if name is None:
                return None
            after = pieces[index + 1] if index + 1 < len(pieces) else ""
            power = int(re.sub(r"[^\d-]", "", after)) if after[:1] == "^" else 1
            for base, count in UNITS[name][0].items():
                dimension[base] = dimension.get(base, 0) + power_sign * power * count
            size *= UNITS[name][1] ** (power_sign * power)
            power_sign = power_sign if group else 1
    if name is None:
        return None
    return Unit(tuple(sorted(item for item in dimension.items() if item[1])), size)
