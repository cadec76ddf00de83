// Numbers of the page: doubles, and fractions that stay exact. 1/9 of nine ones is 1, as on paper.
//
// A fraction is {over, under}, two BigInts without a common factor, under > 1 or a whole number beyond what a double
// counts exactly. A whole number in a double joins in exact arithmetic; any other double makes the result a double.

const isFraction = (x) => typeof x === "object";

/** over / under in lowest terms; a double where that is a whole number it holds exactly. */
function fraction(over, under) {
  let [a, b] = [over < 0n ? -over : over, under < 0n ? -under : under];
  while (b) [a, b] = [b, a % b];
  if (under < 0n) a = -a;
  over /= a;
  under /= a;
  if (under === 1n && over >= -BigInt(Number.MAX_SAFE_INTEGER) && over <= BigInt(Number.MAX_SAFE_INTEGER)) {
    return Number(over);
  }
  return {over, under};
}

const asFraction = (x) => isFraction(x) ? x : {over: BigInt(x), under: 1n};
const isExact = (x) => isFraction(x) || Number.isSafeInteger(x);
const asDouble = (x) => isFraction(x) ? quotient(x.over, x.under) : x;

/** The double of a quotient of BigInts, however long they are. */
function quotient(over, under) {
  if (isExact(Number(over)) && isExact(Number(under))) return Number(over) / Number(under);
  const digits = (n) => (n < 0n ? -n : n).toString(2).length;
  const shift = digits(under) - digits(over) + 60;
  return Number(shift >= 0 ? (over << BigInt(shift)) / under : over / (under << BigInt(-shift))) * 2 ** -shift;
}

function add(x, y) {
  if (typeof x === "number" && typeof y === "number") {
    const sum = x + y;
    if (Number.isSafeInteger(sum) || !isExact(x) || !isExact(y)) return sum;
  }
  if (!isExact(x) || !isExact(y)) return asDouble(x) + asDouble(y);
  const [a, b] = [asFraction(x), asFraction(y)];
  return fraction(a.over * b.under + b.over * a.under, a.under * b.under);
}

function multiply(x, y) {
  if (typeof x === "number" && typeof y === "number") {
    const product = x * y;
    if (Number.isSafeInteger(product) || !isExact(x) || !isExact(y)) return product === 0 ? 0 : product;
  }
  if (!isExact(x) || !isExact(y)) return asDouble(x) * asDouble(y);
  const [a, b] = [asFraction(x), asFraction(y)];
  return fraction(a.over * b.over, a.under * b.under);
}

/** Negative, zero or positive as x is smaller than, equal to or larger than y. */
function compare(x, y) {
  if (isExact(x) && isExact(y) && (isFraction(x) || isFraction(y))) {
    const [a, b] = [asFraction(x), asFraction(y)];
    const difference = a.over * b.under - b.over * a.under;
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }
  return asDouble(x) - asDouble(y);
}

/** What was typed or came from Python: 3, -0.5, 1e-3, 2/3; null where it is no finite number. */
function parseNumber(text) {
  if (typeof text === "number") return text;
  const plain = text.trim().replace(/[\u2212\u2013]/g, "-");
  const parts = /^([+-]?\d+)\s*\/\s*([+-]?\d+)$/.exec(plain);
  if (parts) {
    const under = BigInt(parts[2]);
    return under ? fraction(BigInt(parts[1]), under) : null;
  }
  if (/^[+-]?\d+$/.test(plain)) return fraction(BigInt(plain), 1n);
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
  return Number.isFinite(value) ? value : null;
}

/** Every digit of a number, as it can be typed in again: 0.30000000000000004, 1/9. */
function fullText(x) {
  if (!isFraction(x)) return String(Object.is(x, -0) ? 0 : x);
  return x.under === 1n ? String(x.over) : `${x.over}/${x.under}`;
}

/** A number in a few characters, with a true minus. Whole numbers and short fractions are exact; trailing zeros say that
 *  a number was rounded to them. */
function shortText(x, digits = 4) {
  return plainText(x, digits, Infinity).replace(/-/g, "−");
}

/** The same for a cell: three digits, two of them behind the point, but what is short enough is exact. */
function cellText(x) {
  const exact = fullText(x);
  return (exact.length <= 5 ? exact : plainText(x, 3, 2)).replace(/-/g, "−");
}

function plainText(x, digits, decimals) {
  if (isFraction(x)) {
    const exact = fullText(x);
    if (exact.length <= digits + 3) return exact;
    x = asDouble(x);
  }
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(Object.is(x, -0) ? 0 : x);
  const size = Math.abs(x);
  if (size >= 1e6 || size < 10 ** -Math.min(4, decimals)) return x.toExponential(digits > 3 ? 2 : 0).replace("e+", "e");
  const places = Math.min(decimals, Math.max(0, digits - 1 - Math.floor(Math.log10(size))));
  const text = x.toFixed(places);
  return Number(text) === x && places ? text.replace(/\.?0+$/, "") : text;
}

/** A number as a factor or a term: a negative one stands in parentheses. */
function factorText(x) {
  const text = shortText(x);
  return text.startsWith("−") ? `(${text})` : text;
}
