"use strict";
// McNemar's exact test, as in scripts/lib/tables/statistics.py.
function mcnemar(better, worse) {
  const total = better + worse;
  let term = -total * Math.LN2; // the logarithm of a binomial probability
  let tail = 0;
  for (let k = 0; k <= Math.min(better, worse); k += 1) {
    tail += Math.exp(term);
    term += Math.log((total - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}

function shownP(p) {
  return p < 1e-4 ? p.toExponential(1) : p.toPrecision(2).replace(/\.?0+$/, "");
}
