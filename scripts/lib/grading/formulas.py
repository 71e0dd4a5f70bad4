"""Values of formulas: a small reader for the LaTeX and plain notation of final answers.

Rational values are exact, factorials, binomials and powers of integers among them; the others have 100 digits.
Everything is bounded (length, nesting, size of powers), so reading and evaluating take milliseconds whatever the text
holds. `scripts.lib.grading.equality` says when two formulas are equal.
"""

import re
from fractions import Fraction

from scripts.lib.grading import nodes
from scripts.lib.grading.nodes import DIGITS, Node, Point, UnreadableError, Value

MAX_TOKENS = 600
MAX_DEPTH = 40
UNKNOWN = frozenset("fg")  # functions, not factors, if a bracket follows
INVERTIBLE = frozenset("fghFGH")  # functions, if an argument follows
MAX_RUNNING = 2  # sums, limits and integrals in one another

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+(?![\w.]))?)"
    r"|(?P<command>\\[A-Za-z]+)"
    r"|(?P<word>arcsin|arccos|arctan|asin|acos|atan|sinh|cosh|tanh|sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|gcd|lcm|pi)(?![a-z])"
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


class Formula:
    """A parsed formula.

    Attributes:
        symbols: names of its variables.
        whole: whether it has parts that are meant for whole numbers (floor, factorial, binomial).
        imaginary: whether it has the imaginary unit.
        logs: whether it has a logarithm without a base, which may be the natural or the decimal one.
        natural: whether it has a natural logarithm.
    """

    def __init__(self, text: str):
        """Reads `text`.

        Raises:
            UnreadableError: it is not a formula.
        """
        self.symbols: set[str] = set()
        self.whole = self.imaginary = self.logs = self.natural = False
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

    def value(self, point: Point | None = None, digits: int = DIGITS) -> Value:
        """The value where its symbols have the values of `point`, to about `digits` digits where it is not rational.

        Raises:
            UnreadableError: it has none (a division by zero) or it is too large.
        """
        import mpmath

        try:
            with mpmath.workdps(digits):
                result = self._node(Point() if point is None else point)
        except UnreadableError:
            raise
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
            node = nodes.add(node, right) if sign == "+" else nodes.add(node, nodes.negate(right))
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
                right = nodes.negate(right) if negative_factor else right
                node = nodes.multiply(node, right) if token == "*" else nodes.divide(node, right)
            elif self._starts_factor():
                if self._kind() == "number" and self._tokens[self._at - 1][0] == "number":
                    raise UnreadableError("two numbers side by side")
                node = nodes.multiply(node, self._power())
            else:
                return nodes.negate(node) if negative else node

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
        return nodes.constant(int(ahead[0]) + Fraction(int(top), int(bottom)))

    def _starts_factor(self) -> bool:
        kind, token = self._kind(), self._peek()
        if kind == "sign":
            return token in ("(", "{", "[", "∞") or (token == "|" and not self._in_bars)
        return bool(kind) and token not in ("\\rfloor", "\\rceil", "\\rvert")

    _in_bars = False
    _bound: tuple[str, ...] = ()  # names that a sum or a limit runs over

    def _power(self) -> Node:
        node = self._postfix(self._factor())
        if self._peek() == "^":
            self._take()
            exponent = self._exponent()
            base = getattr(node, "constant", None)
            # (-1)^n is meant for whole n.
            self.whole |= base is not None and base < 0 and not hasattr(exponent, "constant")
            node = self._postfix(nodes.power(node, exponent))
        return node

    def _postfix(self, node: Node) -> Node:
        while self._peek() in ("!", "%", "°"):
            sign = self._take()
            if sign == "!":
                self.whole = True
                node = nodes.apply("factorial", node)
            elif sign == "%":
                node = nodes.divide(node, nodes.constant(Fraction(100)))
            else:
                node = nodes.multiply(node, nodes.divide(nodes.named("pi"), nodes.constant(Fraction(180))))
        return node

    def _exponent(self) -> Node:
        if self._peek() in ("+", "-"):
            return nodes.negate(self._exponent()) if self._take() == "-" else self._exponent()
        if self._peek() == "{":
            return self._group()
        node = self._postfix(self._factor())
        if self._peek() == "^":
            self._take()
            return nodes.power(node, self._exponent())
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
        return nodes.constant(value)

    def _bars(self, close: str) -> Node:
        self._take()
        bars, self._in_bars = self._in_bars, True
        node = self._sum()
        self._in_bars = bars
        self._take(close)
        return nodes.apply("abs", node)

    def _command(self, name: str) -> Node:
        if name == "pi":
            return nodes.named("pi")
        if name in ("frac", "binom"):
            top, bottom = self._argument(), self._argument()
            if name == "frac":
                return nodes.divide(top, bottom)
            self.whole = True
            return nodes.binomial(top, bottom)
        if name == "sqrt":
            degree: Node = nodes.constant(Fraction(2))
            if self._peek() == "[":
                degree = self._group()
            root = self._group() if self._peek() == "(" else self._argument()
            return nodes.power(root, nodes.divide(nodes.constant(Fraction(1)), degree))
        if name in FUNCTIONS:
            return self._function(name)
        if name in ("gcd", "lcm", "min", "max"):
            return self._of_several(name)
        if name in ("sum", "prod"):
            return self._series(name)
        if name == "int":
            return self._integral()
        if name == "lim":
            return self._limit()
        if name in ("lfloor", "lceil"):
            node = self._sum()
            self._take("\\r" + name[1:])
            self.whole = True
            return nodes.apply("floor" if name == "lfloor" else "ceil", node)
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
                argument = nodes.negate(self._power())
            else:
                argument = self._power()
            while self._starts_factor() and self._peek() not in ("(", "[") and not self._at_function():
                argument = nodes.multiply(argument, self._power())
        if power is not None and name in ("sin", "cos", "tan") and nodes.is_minus_one(power):
            name, power = "a" + name, None
        if name in ("log", "ln", "lg"):
            self.logs |= name == "log" and base is None
            self.natural |= name == "ln"
            node = nodes.logarithm(name, base, argument)
        else:
            node = nodes.apply(name.replace("arc", "a"), argument)
        return node if power is None else nodes.power(node, power)

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
        ahead = [token for _, token in self._tokens[self._at : self._at + 6]]
        if name in INVERTIBLE and ahead == ["^", "{", "-", "1", "}", "("]:
            self._at += 5  # the inverse of a function, and no power
            name += "^-1"
        # I(0) is no product with zero, and f(3) no multiple of three.
        ahead = [token for _, token in self._tokens[self._at : self._at + 3]]
        if len(ahead) == 3 and ahead[0] == "(" and ahead[2] == ")" and ahead[1].isdecimal():
            self._at += 3
            name += f"({ahead[1]})"
        elif name[0] in UNKNOWN and self._peek() == "(":
            self.symbols.add(name)
            return nodes.unknown(name, self._group())
        elif name == "e":
            return nodes.named("e")
        elif name == "i" and "i" not in self._bound:
            self.imaginary = True
            return nodes.named("i")
        self.symbols.add(name)
        return lambda point: point[name]

    # What is not worked out: equal where its parts are, whatever the name of what it runs over.

    def _of_several(self, name: str) -> Node:
        """`\\gcd(a, b)`, `\\max(a, b, c)`: a function of some numbers."""
        close = {"(": ")", "{": "}", "[": "]"}.get(self._peek())
        if close is None:
            raise UnreadableError(f"{name} of what?")
        self._take()
        arguments = [self._sum()]
        while self._peek() in (",", ";"):
            self._take()
            arguments.append(self._sum())
        self._take(close)
        self.whole |= name in ("gcd", "lcm")
        return nodes.of_several(name, arguments)

    def _running(self, sign: str) -> tuple[str, Node | None]:
        """The name and the start in `_{k=1}` or `_{x\\to 0}`."""
        self._take("_")
        self._take("{")
        if self._kind() != "name" and self._peek().lstrip("\\") not in GREEK:
            raise UnreadableError("runs over what?")
        name = self._take().lstrip("\\")
        self._take(sign)
        start = self._bound_or_infinity("}")
        self._take("}")
        return name, start

    def _bound_or_infinity(self, close: str) -> Node | None:
        """A bound; None for infinity."""
        ahead = [token for _, token in self._tokens[self._at : self._at + 2]]
        if ahead[:1] == ["∞"]:
            self._at += 1
            return None
        if ahead == ["+", "∞"]:
            self._at += 2
            return None
        return self._sum()

    def _upper(self) -> Node | None:
        self._take("^")
        if self._peek() == "{":
            self._take()
            node = self._bound_or_infinity("}")
            self._take("}")
            return node
        if self._peek() == "∞":
            self._take()
            return None
        return self._argument()

    def _body(self, name: str) -> Node:
        """What stands behind a sum or a limit over `name`, which is no variable of the whole."""
        known, bound = name in self.symbols, self._bound
        if len(bound) == MAX_RUNNING:
            raise UnreadableError("too many sums in sums")
        self._bound = (*bound, name)
        node = self._product()
        self._bound = bound
        if not known:
            self.symbols.discard(name)
        return node

    def _series(self, kind: str) -> Node:
        name, start = self._running("=")
        end = self._upper()
        if start is None:
            raise UnreadableError("a series from infinity")
        self.whole = True
        return nodes.series(kind, name, start, end, self._body(name))

    def _limit(self) -> Node:
        name, target = self._running("→")
        return nodes.limit(name, target, self._body(name))

    def _integral(self) -> Node:
        self._take("_")
        if self._peek() == "{":
            self._take()
            start = self._bound_or_infinity("}")
            self._take("}")
        else:
            start = self._argument()
        end = self._upper()
        rest = [token for _, token in self._tokens[self._at :]]
        name = next((after for d, after in zip(rest, rest[1:], strict=False) if d == "d" and after.isalpha()), None)
        if name is None or start is None:
            raise UnreadableError("an integral over what?")
        return nodes.integral(name, start, end, self._body(name))
