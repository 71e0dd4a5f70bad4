"""The value of one side, exact, in each of the ways in which it can be meant."""

from dataclasses import replace
from fractions import Fraction

from scripts.lib.teachers.arithmetic.tokens import Token

# Beyond these limits a side is Unreadable; no other error is raised.
MAX_DEPTH = 24
MAX_EXPONENT = 200
MAX_BITS = 2_000
# product: 2\frac{1}{2} is a product, and a dash that starts a line is a bullet; tight: "2 / 1/5" is 2 divided by 1/5.
STYLES = ("usual", "product", "tight")


class Unreadable(Exception):
    """The tokens are not plain arithmetic, or exceed a limit."""


class Reader:
    """A recursive-descent reader of one side: sums of products of signed powers, exact, within the limits above."""

    def __init__(self, tokens, percent: str = "hundredth", convert: bool = False, style: str = "usual"):
        self.tokens, self.percent, self.convert, self.style = tokens, percent, convert, style
        self.at = self.depth = 0

    def value(self) -> Fraction:
        self.at = 1 if self.tokens[0].mark == "bullet" and self.style == "product" else 0
        total = self._sum()
        if self.at != len(self.tokens):
            raise Unreadable
        return total

    def _peek(self, offset: int = 0) -> Token | None:
        return self.tokens[self.at + offset] if self.at + offset < len(self.tokens) else None

    def _take(self, *signs: str) -> str | None:
        token = self._peek()
        if token is not None and token.is_op(*signs):
            self.at += 1
            return token.text
        return None

    def _sum(self) -> Fraction:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        total = self._product()
        while sign := self._take("+", "-"):
            start = self.at
            term = self._product()
            if self.percent == "relative" and self.at == start + 2 and self.tokens[start + 1].kind == "percent":
                term *= total
            total = _limited(total + term if sign == "+" else total - term)
        self.depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._signed()
        divided = False
        while True:
            if sign := self._take("*", "/"):
                factor = self._signed()
                divided = sign == "/"
            elif (token := self._peek()) is not None and (token.text in "([" or token.kind == "frac"):
                if divided:
                    raise Unreadable  # 6 / 2 (1 + 2) is ambiguous
                sign, factor = "*", self._power()
            else:
                return total
            if sign == "/" and not factor:
                raise Unreadable
            total = _limited(total * factor if sign == "*" else total / factor)

    def _signed(self) -> Fraction:
        sign = 1
        while self._take("-"):
            sign = -sign
        return sign * self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if not self._take("^"):
            return base
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable
        exponent = self._signed()
        self.depth -= 1
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator != 1 or abs(exponent) > MAX_EXPONENT or bits * abs(exponent) > MAX_BITS:
            raise Unreadable
        if not base and exponent <= 0:
            raise Unreadable
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        token = self._peek()
        if token is None:
            raise Unreadable
        self.at += 1
        if token.kind == "open":
            value = self._sum()
            if (close := self._peek()) is None or close.kind != "close":
                raise Unreadable
            self.at += 1
        elif token.kind == "frac":
            above, below = self._group(), self._group()
            if not below:
                raise Unreadable
            value = above / below
        elif token.kind == "number":
            value = Fraction(token.text)
            if self.convert:
                value *= Fraction(token.unit[1] if token.unit else 1, token.rate[1] if token.rate else 1)
            value += self._mixed_part(token)
            if self.style == "tight" and (below := self._tight_divisor()):
                value /= below
        else:
            raise Unreadable
        if (sign := self._peek()) is not None and sign.kind == "percent":
            self.at += 1
            value = value if self.percent == "unit" else value / 100
        return value

    def _tight_divisor(self) -> Fraction | None:
        """The 5 of "1/5", if the reader is just after the 1 and nothing separates the three tokens."""
        number, over, below = self.tokens[self.at - 1], self._peek(), self._peek(1)
        if over is None or below is None or not over.is_op("/") or below.kind != "number":
            return None
        if (number.end, over.end) != (over.start, below.start) or not Fraction(below.text):
            return None
        self.at += 2
        return Fraction(below.text)

    def _mixed_part(self, whole: Token) -> Fraction | int:
        """The fraction of a mixed number after its whole part: 1/2 in "2 1/2" and in 2\\frac{1}{2}."""
        first, over, below = self._peek(), self._peek(1), self._peek(2)
        if first is None or "." in whole.text:
            return 0
        if first.kind == "frac" and self.style != "product":
            self.at += 1
            above, under = self._group(), self._group()
            if not under:
                raise Unreadable
            return above / under
        if below is None:
            return 0
        if first.kind == below.kind == "number" and over.is_op("/"):
            self.at += 3
            if not Fraction(below.text):
                raise Unreadable
            return Fraction(first.text) / Fraction(below.text)
        return 0

    def _group(self) -> Fraction:
        """One argument of \\frac: a group in braces, or digits: \\frac12 is one half."""
        token = self._peek()
        if token is not None and token.kind == "number" and token.text.isdigit() and len(token.text) == 2:
            self.tokens = (
                *self.tokens[: self.at],
                replace(token, text=token.text[0]),
                replace(token, text=token.text[1]),
                *self.tokens[self.at + 1 :],
            )
            token = self._peek()
        if token is not None and token.kind == "number":
            self.at += 1
            return Fraction(token.text)
        if token is None or token.kind != "open":
            raise Unreadable
        self.at += 1
        value = self._sum()
        if (close := self._peek()) is None or close.kind != "close":
            raise Unreadable
        self.at += 1
        return value


def _limited(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise Unreadable
    return value
