"""Values of formulas: a small reader for the LaTeX and plain notation of final answers, and equality by evaluation.

Two formulas are equal when they have the same value at several points. Rational values are exact; the others have 40
digits. Everything is bounded (length, nesting, size of powers), so reading and evaluating take milliseconds whatever
the text holds: this is what makes our verdict safe without a deadline of its own.
"""

import random
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

MAX_TOKENS = 600
MAX_DEPTH = 40
MAX_BITS = 20_000  # of an exact power; larger ones become floating point
MAX_LOG10 = 10_000_000  # of any value
DIGITS = 40

Value = object  # Fraction, or an mpmath mpf / mpc
Node = Callable[[Mapping[str, Value]], Value]

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+(?![\w.]))?)"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>arcsin|arccos|arctan|asin|acos|atan|sinh|cosh|tanh|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi)(?![a-z])"
    r"|(?P<name>[^\W\d_])"
    r"|(?P<sign>.))",
    re.DOTALL,
)
FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "log", "ln", "lg", "exp",
    "arcsin", "arccos", "arctan", "asin", "acos", "atan",
}  # fmt: skip
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa",
    "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "Gamma",
    "Delta", "Theta", "Lambda", "Xi", "Pi", "Sigma", "Phi", "Psi", "Omega", "hbar", "ell", "mho", "odot",
}  # fmt: skip
ACCENTS = {"overline", "bar", "hat", "vec", "dot", "ddot", "tilde", "widehat", "widetilde", "underline"}


class UnreadableError(ValueError):
    """The text is no formula that this reader knows, or its value is out of bounds."""


class Formula:
    """A formula that was read.

    Attributes:
        symbols: names of its variables.
        whole: whether it has parts that are meant for whole numbers (floor, factorial, binomial).
        absolute: whether it has an absolute value.
    """

    def __init__(self, text: str):
        """Reads `text`.

        Raises:
            UnreadableError: where it is no formula.
        """
        self.symbols: set[str] = set()
        self.whole = self.absolute = False
        self._tokens: list[tuple[str, str]] = []
        for match in TOKEN.finditer(text.strip()):
            kind = match.lastgroup or "sign"
            self._tokens.append((kind, match[kind]))
            if len(self._tokens) > MAX_TOKENS:
                raise UnreadableError("too long")
        self._at = self._depth = 0
        if not self._tokens:
            raise UnreadableError("empty")
        self._node = self._sum()
        if self._at != len(self._tokens):
            raise UnreadableError(f"unexpected {self._tokens[self._at][1]!r}")

    def value(self, point: Mapping[str, Value] | None = None) -> Value:
        """The value where its symbols have the values of `point`.

        Raises:
            UnreadableError: where it has none (a division by zero) or it is too large.
        """
        import mpmath

        try:
            with mpmath.workdps(DIGITS):
                result = self._node(point or {})
        except (ArithmeticError, ValueError, TypeError, mpmath.libmp.NoConvergence) as error:
            raise UnreadableError(str(error)) from error
        if not isinstance(result, Fraction) and not mpmath.isfinite(result):
            raise UnreadableError("not finite")
        return result

    # The reader: recursive descent, one method for each level of precedence.

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _take(self, expected: str | None = None) -> str:
        token = self._peek()
        if not token or (expected is not None and token != expected):
            raise UnreadableError(f"expected {expected!r}, found {token!r}")
        self._at += 1
        return token

    def _sum(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableError("nested too deeply")
        node = self._product()
        while self._peek() in ("+", "-"):
            sign, right = self._take(), self._product()
            node = _add(node, right) if sign == "+" else _add(node, _negate(right))
        self._depth -= 1
        return node

    def _product(self) -> Node:
        negative = False
        while self._peek() in ("+", "-"):
            negative ^= self._take() == "-"
        node = self._mixed_number() or self._power()
        while True:
            token = self._peek()
            if token in ("*", "/"):
                self._take()
                negative_factor = False
                while self._peek() in ("+", "-"):
                    negative_factor ^= self._take() == "-"
                right = self._power()
                right = _negate(right) if negative_factor else right
                node = _multiply(node, right) if token == "*" else _divide(node, right)
            elif self._starts_factor():
                if self._kind() == "number" and self._tokens[self._at - 1][0] == "number":
                    raise UnreadableError("two numbers side by side")
                node = _multiply(node, self._power())
            else:
                return _negate(node) if negative else node

    def _mixed_number(self) -> Node | None:
        """`6\\frac{1}{6}` and `3 1/2`: a sum, although it looks like a product."""
        ahead = [token for _, token in self._tokens[self._at : self._at + 8]]
        if not ahead or not ahead[0].isdecimal():
            return None
        tail = ahead[1:]
        if tail[:2] == ["\\frac", "{"] and len(tail) >= 7 and tail[3:5] == ["}", "{"] and tail[6] == "}":
            top, bottom, length = tail[2], tail[5], 8
        elif len(tail) >= 3 and tail[1] == "/":
            top, bottom, length = tail[0], tail[2], 4
        else:
            return None
        if not (top.isdecimal() and bottom.isdecimal() and 0 < int(top) < int(bottom)):
            return None
        self._at += length
        if self._peek() == "^":
            raise UnreadableError("power of a mixed number")
        return _constant(int(ahead[0]) + Fraction(int(top), int(bottom)))

    def _starts_factor(self) -> bool:
        kind, token = self._kind(), self._peek()
        if kind == "sign":
            return token in ("(", "{", "[", "∞") or (token == "|" and not self._in_bars)
        return bool(kind) and token not in ("\\rfloor", "\\rceil", "\\rvert")

    _in_bars = False

    def _power(self) -> Node:
        node = self._postfix(self._factor())
        if self._peek() == "^":
            self._take()
            node = self._postfix(_power(node, self._exponent()))
        return node

    def _postfix(self, node: Node) -> Node:
        while self._peek() in ("!", "%", "°"):
            sign = self._take()
            if sign == "!":
                self.whole = True
                node = _apply("factorial", node)
            elif sign == "%":
                node = _divide(node, _constant(Fraction(100)))
            else:
                node = _multiply(node, _divide(_named("pi"), _constant(Fraction(180))))
        return node

    def _exponent(self) -> Node:
        if self._peek() in ("+", "-"):
            return _negate(self._exponent()) if self._take() == "-" else self._exponent()
        if self._peek() == "{":
            return self._group()
        node = self._postfix(self._factor())
        if self._peek() == "^":
            self._take()
            return _power(node, self._exponent())
        return node

    def _group(self) -> Node:
        close = {"{": "}", "(": ")", "[": "]"}[self._take()]
        bars, self._in_bars = self._in_bars, False
        node = self._sum()
        self._in_bars = bars
        self._take(close)
        return node

    def _argument(self) -> Node:
        """The argument of \\frac, \\sqrt and the like: a group or one token, of a number one digit (`\\frac12`)."""
        if self._peek() == "{":
            return self._group()
        if self._kind() == "number":
            kind, token = self._tokens[self._at]
            if len(token) > 1 and token.isdecimal():
                self._tokens[self._at : self._at + 1] = [(kind, token[0]), (kind, token[1:])]
        return self._factor()

    def _factor(self) -> Node:
        kind, token = self._kind(), self._peek()
        if kind == "number":
            return self._number()
        if kind == "sign":
            if token in ("(", "{", "["):
                return self._group()
            if token == "|" and not self._in_bars:
                return self._bars("|")
            raise UnreadableError(f"unexpected {token!r}")
        if kind == "name":
            return self._symbol(self._take())
        if not kind:
            raise UnreadableError("ends too early")
        return self._command(self._take().lstrip("\\"))

    def _number(self) -> Node:
        token = self._take()
        mantissa, _, exponent = token.lower().partition("e")
        if exponent and abs(int(exponent)) > 5000:
            raise UnreadableError("exponent out of bounds")
        value = Fraction(mantissa.rstrip(".") + ("e" + exponent if exponent else ""))
        if self._peek() == "\\overline" and "." in token:
            self._take()
            self._take("{")
            repeated = self._take()
            self._take("}")
            if not repeated.isdecimal():
                raise UnreadableError("repeats no digits")
            shift = 10 ** len(mantissa.partition(".")[2])
            value += Fraction(int(repeated), (10 ** len(repeated) - 1) * shift)
        return _constant(value)

    def _bars(self, close: str) -> Node:
        self._take()
        bars, self._in_bars = self._in_bars, True
        node = self._sum()
        self._in_bars = bars
        self._take(close)
        self.absolute = True
        return _apply("abs", node)

    def _command(self, name: str) -> Node:
        if name == "pi":
            return _named("pi")
        if name in ("frac", "binom"):
            top, bottom = self._argument(), self._argument()
            if name == "frac":
                return _divide(top, bottom)
            self.whole = True
            return _binomial(top, bottom)
        if name == "sqrt":
            degree: Node = _constant(Fraction(2))
            if self._peek() == "[":
                degree = self._group()
            root = self._group() if self._peek() == "(" else self._argument()
            return _power(root, _divide(_constant(Fraction(1)), degree))
        if name in FUNCTIONS:
            return self._function(name)
        if name in ("lfloor", "lceil"):
            node = self._sum()
            self._take("\\r" + name[1:])
            self.whole = True
            return _apply("floor" if name == "lfloor" else "ceil", node)
        if name == "lvert":
            self._at -= 1
            return self._bars("\\rvert")
        if name in GREEK:
            return self._symbol(name)
        if name in ACCENTS:
            start = self._at
            self._argument()
            return self._symbol(name + "".join(token for _, token in self._tokens[start : self._at]))
        raise UnreadableError(f"unknown command {name}")

    def _function(self, name: str) -> Node:
        base = power = None
        if self._peek() == "_":
            self._take()
            base = self._argument()
        if self._peek() == "^":
            self._take()
            power = self._exponent()
            if base is None and self._peek() == "_":
                self._take()
                base = self._argument()
        if self._peek() in ("(", "{", "["):
            argument = self._postfix(self._group())
        else:
            if self._peek() == "-":
                self._take()
                argument = _negate(self._power())
            else:
                argument = self._power()
            while self._starts_factor() and self._peek() not in ("(", "[") and not self._at_function():
                argument = _multiply(argument, self._power())
        if power is not None and name in ("sin", "cos", "tan") and _is_minus_one(power):
            name, power = "a" + name, None
        if name in ("log", "ln", "lg"):
            node = _logarithm(name, base, argument)
        else:
            node = _apply(name.replace("arc", "a"), argument)
        return node if power is None else _power(node, power)

    def _at_function(self) -> bool:
        return self._peek().lstrip("\\") in FUNCTIONS

    def _symbol(self, name: str) -> Node:
        while self._peek() in ("_", "'"):
            if self._take() == "'":
                name += "'"
                continue
            start = self._at
            depth = 0
            while True:  # a subscript is a name, whatever it holds
                token = self._take()
                depth += (token == "{") - (token == "}")
                if depth == 0:
                    break
            name += "_" + "".join(token for _, token in self._tokens[start : self._at] if token not in "{} \\text")
        # I(0) is no product with zero, and f(3) no multiple of three.
        ahead = [token for _, token in self._tokens[self._at : self._at + 3]]
        if len(ahead) == 3 and ahead[0] == "(" and ahead[2] == ")" and ahead[1].isdecimal():
            self._at += 3
            name += f"({ahead[1]})"
        elif name == "e":
            return _named("e")
        elif name == "i":
            return _named("i")
        self.symbols.add(name)
        return lambda point: point[name]


def _constant(value: Fraction) -> Node:
    node = lambda point: value  # noqa: E731
    node.constant = value
    return node


def _is_minus_one(node: Node) -> bool:
    return getattr(node, "constant", None) == -1


def _named(name: str) -> Node:
    def node(point):
        import mpmath

        return {"pi": mpmath.pi, "e": mpmath.e, "i": mpmath.mpc(0, 1)}[name] * mpmath.mpf(1)

    return node


def _floating(value: Value) -> Value:
    import mpmath

    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _pair(left: Value, right: Value) -> tuple[Value, Value]:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left, right
    return _floating(left), _floating(right)


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction) and value.numerator.bit_length() + value.denominator.bit_length() > 4 * MAX_BITS:
        return _floating(value)
    return value


def _add(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        return _bounded(a + b)

    return node


def _negate(inner: Node) -> Node:
    if hasattr(inner, "constant"):
        return _constant(-inner.constant)
    return lambda point: -inner(point)


def _multiply(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        return _bounded(a * b)

    return node


def _divide(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        return _bounded(a / b)

    return node


def _power(base: Node, exponent: Node) -> Node:
    def node(point):
        import mpmath

        a, b = base(point), exponent(point)
        if isinstance(a, Fraction) and isinstance(b, Fraction) and b.denominator == 1:
            bits = max(a.numerator.bit_length(), a.denominator.bit_length())
            if bits * abs(b.numerator) <= MAX_BITS:
                return a**b.numerator
        if isinstance(a, Fraction) and isinstance(b, Fraction) and a < 0 and b.denominator % 2 == 1:
            # The real root of a negative number: (-8)^{1/3} is -2 in every answer that means it.
            size = mpmath.power(_floating(-a), _floating(b))
            return -size if b.numerator % 2 else size
        a, b = _floating(a), _floating(b)
        if a == 0:
            return mpmath.mpf(1) if b == 0 else a ** mpmath.mpf(1 if mpmath.re(b) > 0 else -1)
        if abs(b) > MAX_LOG10 or abs(b * mpmath.log(a)) > MAX_LOG10:
            raise UnreadableError("power out of bounds")
        return mpmath.power(a, b)

    return node


def _binomial(top: Node, bottom: Node) -> Node:
    def node(point):
        import mpmath

        a, b = _floating(top(point)), _floating(bottom(point))
        if max(abs(a), abs(b)) > 100_000:
            raise UnreadableError("binomial out of bounds")
        return mpmath.binomial(a, b)

    return node


def _logarithm(name: str, base: Node | None, argument: Node) -> Node:
    def node(point):
        import mpmath

        value = mpmath.log(_floating(argument(point)))
        if base is not None:
            return value / mpmath.log(_floating(base(point)))
        return value / mpmath.log(10) if name == "lg" else value

    return node


def _apply(name: str, argument: Node) -> Node:
    def node(point):
        import mpmath

        value = argument(point)
        if name in ("floor", "ceil", "abs") and isinstance(value, Fraction):
            return abs(value) if name == "abs" else Fraction(value // 1 if name == "floor" else -(-value // 1))
        value = _floating(value)
        if abs(value) > 10**30 or (name in ("factorial", "exp", "sinh", "cosh") and abs(value) > 100_000):
            raise UnreadableError(f"{name} out of bounds")
        if name == "abs":
            return abs(value)
        if name in ("floor", "ceil"):
            nearest = mpmath.nint(mpmath.re(value))
            if (
                abs(value - nearest) < mpmath.mpf(10) ** -25
            ):  # floor(log_2 8) is 3, with 40 digits as with infinitely many
                return nearest
        return getattr(mpmath, name)(value)

    return node


def equal(left: Formula, right: Formula, digits: int = 20) -> bool:
    """Whether two formulas have the same value at every point that is tried, to `digits` significant digits.

    Raises:
        UnreadableError: where no point gives both a value.
    """
    symbols = left.symbols | right.symbols
    if not symbols:
        return close(left.value(), right.value(), digits)
    tries, agreed = 8, 0
    whole, signed = left.whole or right.whole, left.absolute or right.absolute
    for number in range(tries):
        point = {name: sample(name, number, whole, signed) for name in symbols}
        try:
            if not close(left.value(point), right.value(point), digits):
                return False
        except UnreadableError:
            continue
        agreed += 1
        if agreed >= (8 if whole or signed else 3):
            return True
    if agreed == 0:
        raise UnreadableError("no value at any point")
    return True


def sample(name: str, number: int, whole: bool = False, signed: bool = False) -> Fraction:
    """The value of variable `name` at point `number`: the same in every process, not in step with other names."""
    draw = random.Random(f"{number}:{name}")
    if whole:
        return Fraction(draw.randint(4, 40))
    value = Fraction(1, 2) + Fraction(draw.randrange(99_991), 40_009)
    return -value if signed and draw.random() < 0.5 else value


def close(left: Value, right: Value, digits: int = 20) -> bool:
    """Whether two values agree: exactly where both are rational, otherwise to `digits` significant digits."""
    import mpmath

    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left == right
    with mpmath.workdps(DIGITS):
        left, right = _floating(left), _floating(right)
        return abs(left - right) <= max(abs(left), abs(right)) * mpmath.mpf(10) ** -digits + mpmath.mpf(10) ** -33
