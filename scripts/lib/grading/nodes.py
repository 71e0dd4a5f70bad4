"""The values of the parts of a formula: each function makes a node, which gives its value at a point.

Rational values are exact as long as they are small enough to be; what is too large to be exact, and so could not be
distinguished from its neighbours, has no value.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

DIGITS = 100
MAX_BITS = 4_000_000  # of a whole number
MAX_RATIO_BITS = 100_000  # of numerator and denominator together: to shorten longer ones takes too long
MAX_LOG10 = 10_000_000  # of any value
MAX_FACTORIAL = 20_000  # of which the exact value is taken
MAX_TERMS = 2_000  # of a sum
MAX_STEPS = 5_000  # terms of sums in sums, at one point
SHOWN_TERMS = 12  # of an infinite series, by which it is compared

Value = object  # Fraction, or an mpmath mpf / mpc


class UnreadableError(ValueError):
    """The text is not a formula that this reader knows, or its value is out of bounds."""


class NotRealError(UnreadableError):
    """At a real point, a part of the formula has no real value."""


class Point(dict):
    """Values of variables. Where `real` is set, parts without a real value (`ln(-2)`) have none at all."""

    real = False

    def __init__(self, *values, **named) -> None:
        super().__init__(*values, **named)
        self.steps = [MAX_STEPS]  # shared with the points made from this one


Node = Callable[[Point], Value]


def constant(value: Fraction) -> Node:
    node = lambda point: value  # noqa: E731
    node.constant = value
    return node


def is_minus_one(node: Node) -> bool:
    return getattr(node, "constant", None) == -1


def named(name: str) -> Node:
    def node(point):
        import mpmath

        return {"pi": mpmath.pi, "e": mpmath.e, "i": mpmath.mpc(0, 1)}[name] * mpmath.mpf(1)

    return node


def floating(value: Value) -> Value:
    """`value` as a floating-point number of the present precision."""
    import mpmath

    return mpmath.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def _pair(left: Value, right: Value) -> tuple[Value, Value]:
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return left, right
    return floating(left), floating(right)


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + (value.denominator.bit_length() if value.denominator != 1 else 0)


def _bounded(value: Value) -> Value:
    if isinstance(value, Fraction) and _bits(value) > 2 * MAX_BITS:
        raise UnreadableError("too large to be exact")
    return value


def _check_ratio(left: Value, right: Value) -> None:
    """Raises if an exact result would have to be shortened for too long."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        whole = left.denominator == right.denominator == 1
        if not whole and _bits(left) + _bits(right) > 4 * MAX_RATIO_BITS:
            raise UnreadableError("too long a fraction")


def add(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        _check_ratio(a, b)
        return _bounded(a + b)

    return node


def negate(inner: Node) -> Node:
    if hasattr(inner, "constant"):
        return constant(-inner.constant)
    return lambda point: -inner(point)


def multiply(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        _check_ratio(a, b)
        return _bounded(a * b)

    return node


def divide(left: Node, right: Node) -> Node:
    def node(point):
        a, b = _pair(left(point), right(point))
        if isinstance(a, Fraction) and min(_bits(a), _bits(b)) > MAX_RATIO_BITS:
            raise UnreadableError("too long a fraction")
        return _bounded(a / b)

    return node


def _real(value: Value, point: Point) -> Value:
    """`value`, unless it is not real and should be."""
    import mpmath

    if point.real and isinstance(value, mpmath.mpc):
        if value.imag != 0:
            raise NotRealError("not real")
        return value.real
    return value


def power(base: Node, exponent: Node) -> Node:
    def node(point):
        import mpmath

        a, b = base(point), exponent(point)
        rational = isinstance(a, Fraction) and isinstance(b, Fraction)
        if rational and b.denominator == 1:
            return _whole_power(a, b.numerator)
        if rational and a < 0 and b.denominator % 2 == 1:
            # The real root of a negative number: (-8)^{1/3} is -2 in every answer that means it.
            size = mpmath.power(floating(-a), floating(b))
            return -size if b.numerator % 2 else size
        if isinstance(b, Fraction) and b.denominator % 2 == 1 and isinstance(a, mpmath.mpf) and a < 0:
            size = mpmath.power(-a, floating(b))
            return -size if b.numerator % 2 else size
        if rational and a > 0 and b.denominator <= 12 and (root := _exact_root(a, b.denominator)) is not None:
            return _whole_power(root, b.numerator)
        a, b = floating(a), floating(b)
        if a == 0:
            return mpmath.mpf(1) if b == 0 else a ** mpmath.mpf(1 if mpmath.re(b) > 0 else -1)
        if abs(b) > MAX_LOG10 or abs(b * mpmath.log(a)) > MAX_LOG10:
            raise UnreadableError("power out of bounds")
        return _real(mpmath.power(a, b), point)

    return node


def _whole_power(base: Fraction, exponent: int) -> Value:
    if base in (0, 1, -1) and exponent >= 0:
        return base**exponent if base != -1 else Fraction(-1 if exponent % 2 else 1)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    limit = MAX_BITS if base.denominator == 1 else 4 * MAX_RATIO_BITS
    if bits * abs(exponent) > limit:
        raise UnreadableError("power out of bounds")
    return base**exponent


def _exact_root(value: Fraction, degree: int) -> Fraction | None:
    """The root of `value` where it is rational: \\sqrt{4} is 2, and not 2 to a hundred digits."""
    if max(value.numerator, value.denominator) > 10**30:
        return None
    roots = [round(number ** (1 / degree)) for number in (value.numerator, value.denominator)]
    found = Fraction(*roots)
    return found if found**degree == value else None


def binomial(top: Node, bottom: Node) -> Node:
    def node(point):
        import mpmath

        a, b = top(point), bottom(point)
        if max(abs(a), abs(b)) > 100_000:
            raise UnreadableError("binomial out of bounds")
        if _is_whole(a) and _is_whole(b):
            if a < 0 or b < 0:
                raise UnreadableError("binomial of a negative number")
            return Fraction(math.comb(a.numerator, b.numerator))
        return _real(mpmath.binomial(floating(a), floating(b)), point)

    return node


def _is_whole(value: Value) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1


def logarithm(name: str, base: Node | None, argument: Node) -> Node:
    def node(point):
        import mpmath

        value = _real(mpmath.log(floating(argument(point))), point)
        if base is not None:
            return value / mpmath.log(floating(base(point)))
        if name == "lg":
            return value / mpmath.log(10)
        # Whose base is not stated: of some base that is neither e nor 10.
        return value / mpmath.mpf("1.8734") if name == "log" else value

    return node


def apply(name: str, argument: Node) -> Node:
    def node(point):
        value = argument(point)
        if name == "factorial" and _is_whole(value):
            return _factorial(value.numerator)
        if name in ("floor", "ceil", "abs") and isinstance(value, Fraction):
            return abs(value) if name == "abs" else Fraction(value // 1 if name == "floor" else -(-value // 1))
        return _real(_function(name, floating(value)), point)

    return node


def _factorial(number: int) -> Fraction:
    if not 0 <= number <= MAX_FACTORIAL:
        raise UnreadableError("factorial out of bounds")
    return Fraction(math.factorial(number))


def _function(name: str, value: Value) -> Value:
    import mpmath

    if abs(value) > 10**60 or (name in ("factorial", "exp", "sinh", "cosh") and abs(value) > 100_000):
        raise UnreadableError(f"{name} out of bounds")
    if name == "abs":
        return abs(value)
    if name in ("floor", "ceil"):
        nearest = mpmath.nint(mpmath.re(value))
        # floor(log_2 8) is 3, with a hundred digits as with infinitely many.
        if abs(value - nearest) < mpmath.mpf(10) ** (-mpmath.mp.dps * 2 // 3):
            return nearest
    return getattr(mpmath, name)(value)


def unknown(name: str, argument: Node) -> Node:
    """A function of which nothing is known but its name: equal where its arguments are, and no product with them."""

    def node(point):
        value, own = _pair(argument(point), point[name])
        return own * (value * value + 3 * value + 11)

    return node


def of_several(name: str, arguments: Sequence[Node]) -> Node:
    """gcd, lcm, min or max of the values of `arguments`."""

    def node(point):
        values = [argument(point) for argument in arguments]
        if name in ("gcd", "lcm"):
            if not all(_is_whole(value) for value in values):
                raise UnreadableError(f"{name} of what is not whole")
            return Fraction(getattr(math, name)(*(value.numerator for value in values)))
        return {"min": min, "max": max}[name](values)

    return node


def _at(body: Node, name: str, value: Value, point: Point) -> Value:
    point.steps[0] -= 1
    if point.steps[0] < 0:
        raise UnreadableError("too many terms in terms")
    inner = Point(point)
    inner.real, inner.steps = point.real, point.steps
    inner[name] = value
    return body(inner)


def _total(values: Sequence[Value], product: bool = False) -> Value:
    total: Value = Fraction(1 if product else 0)
    for value in values:
        a, b = _pair(total, value)
        total = _bounded(a * b if product else a + b)
    return total


def series(kind: str, name: str, start: Node, end: Node | None, body: Node) -> Node:
    """A sum or product; an infinite one is its first terms, each with a weight: equal if they are."""

    def node(point):
        first = start(point)
        if not _is_whole(first):
            raise UnreadableError("a series that does not start at a whole number")
        if end is None:
            terms = [_at(body, name, first + index, point) for index in range(SHOWN_TERMS)]
            return _total([floating(term) * _weight(index) for index, term in enumerate(terms)])
        last = end(point)
        if not _is_whole(last) or not -1 <= last - first <= MAX_TERMS:
            raise UnreadableError("too many terms, or fewer than none")
        terms = [_at(body, name, Fraction(k), point) for k in range(first.numerator, last.numerator + 1)]
        return _total(terms, product=kind == "prod")

    return node


def _weight(index: int) -> Value:
    import mpmath

    return 1 / (mpmath.mpf(7919) + 104_729 * index)


def limit(name: str, target: Node | None, body: Node) -> Node:
    """A limit, as the value of `body` at a fixed small step from `target`: it is compared, not worked out."""

    def node(point):
        return _at(body, name, Fraction(1009, 7) if target is None else target(point) + Fraction(37, 1013), point)

    return node


def integral(name: str, start: Node, end: Node | None, body: Node) -> Node:
    """An integral, as a weighted sum over fixed steps between its bounds: it is compared, not worked out."""

    def node(point):
        low = start(point)
        width = Fraction(1) if end is None else end(point) - low
        steps = [Fraction(step, 101) for step in (7, 23, 41, 59, 83)]
        steps = [step * 97 for step in steps] if end is None else steps
        values = [floating(_at(body, name, low + width * step, point)) for step in steps]
        return floating(width) * _total([value * _weight(index) for index, value in enumerate(values)])

    return node
