/** Wrong specs: each has one mistake, at ⟦…⟧, and one diagnostic. */
export interface WrongSpec {
  readonly code: string;
  readonly what: string;
  readonly text: string;
}
const head = "dim m = 4, q = 6 const lambda = 0.1 input y: real[m] param A: real[m, q] var x: real[q] = 0";
const lasso = (layer: string, before = head): string => `network Lasso { ${before} layer ista repeat 2 { ${layer} } output code: real[q] = x }`;
const step = (clauses: string): string => lasso(`step s { ${clauses} }`);
const heads = (clauses: string): string => `
network Heads { dim d = 6, p = 2, n = 5, K = 3 index k in 1..K input X: real[d, n] var Z: real[d, n] = X
  layer l repeat 1 { param U[k]: real[d, p] step s { minimize 0.5*sum(k) sq_norm(U[k]'*Z) by gradient(rate: 0.1) ${clauses} } }
  output z: real[d, n] = Z }`;
const trained = (clauses: string): string =>
  `network N { dim q = 3 input y: real[q] target t: real[q] target c: class[q] param W: real[q, q] output z: real[q] = W*y train { data mnist loss mse(z, t) ${clauses} } }`;

export const wrongSpecs: readonly WrongSpec[] = [
  { code: "SRR2001", what: "a name that is not there", text: step("minimize 0.5*sq_norm(y - A*x) + ⟦lamda⟧*norm1(x) by proximal_gradient(rate: 0.1)") },
  { code: "SRR2001", what: "a function that is not there", text: step("minimize 0.5*⟦sqnorm⟧(y - A*x) by gradient(rate: 0.1)") },
  { code: "SRR2001", what: "a lemma that is not there", text: heads("using ⟦nothing⟧") },
  { code: "SRR2001", what: "a method that is not there", text: step("minimize 0.5*sq_norm(y - A*x) by ⟦gradeint⟧(rate: 0.1)") },
  { code: "SRR2002", what: "a name twice", text: lasso("step s { minimize 0.5*sq_norm(y - A*x) by gradient(rate: 0.1) }", `${head} const ⟦lambda⟧ = 2`) },
  { code: "SRR2003", what: "factors that do not fit", text: step("minimize 0.5*sq_norm(y - ⟦A'⟧*x) by gradient(rate: 0.1)") },
  { code: "SRR2003", what: "terms that do not fit", text: step("minimize 0.5*sq_norm(⟦y⟧ - x) by gradient(rate: 0.1)") },
  { code: "SRR2004", what: "a starting value of another shape", text: lasso("step s { minimize sq_norm(x) by gradient(rate: 0.1) }", "dim m = 4, q = 6 input y: real[m] var x: real[q] = ⟦y⟧") },
  { code: "SRR2005", what: "an inverse of what is not square", text: step("minimize 0.5*sq_norm(inv(⟦A⟧)*y - x) by gradient(rate: 0.1)") },
  { code: "SRR2006", what: "too many arguments", text: step("minimize 0.5*⟦sq_norm(y - A*x, 2)⟧ by gradient(rate: 0.1)") },
  { code: "SRR2006", what: "a matrix below a fraction", text: step("minimize sq_norm(x/⟦x⟧) by gradient(rate: 0.1)") },
  { code: "SRR2006", what: "positions for an odd number of features", text: "network N { dim d = 5, n = 4 input X: real[d, n] output z: real[d, n] = X |> add(sincos(⟦d⟧, n)) }" },
  { code: "SRR2006", what: "positions of patches that make no square", text: "network N { dim d = 8, n = 7 input X: real[d, n] param pos: real[d, n] fixed init ⟦sincos2d⟧ output z: real[d, n] = X + pos }" },
  { code: "SRR2006", what: "a positive parameter that starts at 0", text: step("minimize 0.5*sq_norm(y - A*x) by gradient(rate: t)").replace("var x", "param t: real positive init ⟦constant(0)⟧ var x") },
  { code: "SRR2022", what: "a positive parameter that has no start of its own", text: step("minimize 0.5*sq_norm(y - A*x) by gradient(rate: t)").replace("var x", "param ⟦t⟧: real positive var x") },
  { code: "SRR2007", what: "a division that leaves a remainder", text: "network N { dim H = 28, P = 5, n = ⟦H/P⟧ input X: real[n] output z: real[n] = X }" },
  { code: "SRR2007", what: "a size below 1", text: "network N { dim n = ⟦0⟧ input X: real[n] output z: real[n] = X }" },
  { code: "SRR2009", what: "an identity of no size", text: step("minimize 0.5*sq_norm(y - A*x) + trace(⟦I⟧) by gradient(rate: 0.1)") },
  { code: "SRR2009", what: "an identity beside a scalar", text: step("minimize 0.5*sq_norm(y - A*x) + logdet(⟦I + trace(A'*A)⟧) by gradient(rate: 0.1)") },
  { code: "SRR2010", what: "an objective that is no scalar", text: step("minimize ⟦y - A*x⟧ by gradient(rate: 0.1)") },
  { code: "SRR2011", what: "a family without its index", text: heads("expect ⟦U⟧'*Z").replace("expect ⟦U⟧'*Z", "expect Z - 0.1*sum(k) ⟦U⟧*U[k]'*Z") },
  { code: "SRR2011", what: "a member that is not there", text: heads("expect Z - 0.1*U[⟦4⟧]*U[1]'*Z") },
  { code: "SRR2011", what: "an index that no sum runs over", text: heads("then Z + sum(k) U[k]*U[k]'*Z + 0.1*U[⟦k⟧]*U[k]'*Z") },
  { code: "SRR2011", what: "a member of what is no family", text: heads("then Z + sum(k) U[k]*U[k]'*⟦Z[k]⟧") },
  { code: "SRR2012", what: "a const that is no number", text: lasso("step s { minimize sq_norm(x) by gradient(rate: 0.1) }", `${head} const c = ⟦total(A)⟧`) },
  { code: "SRR2012", what: "a const that is infinite", text: lasso("step s { minimize sq_norm(x) by gradient(rate: 0.1) }", `${head} const c = ⟦1/0⟧`) },
  { code: "SRR2013", what: "an import that is not there", text: `import ⟦"nowhere"⟧\n${step("minimize sq_norm(x) by gradient(rate: 0.1)")}` },
  { code: "SRR2014", what: "a step without its variable's name", text: "network N { dim q = 3 input y: real[q] var a: real[q] = y var b: real[q] = y layer l repeat 1 { step ⟦s⟧ { minimize sq_norm(a) by gradient(rate: 0.1) } } output z: real[q] = a }" },
  { code: "SRR2014", what: "a step size that is missing", text: step("minimize 0.5*sq_norm(y - A*x) by ⟦gradient⟧") },
  { code: "SRR2015", what: "an index of a lemma that is free on its right side only", text: `lemma l(A[j]: real[d, p], Z: real[d, n]): sum(j) A[j]*A[j]'*Z ~ (sum(j) A[j]*A[j]' + A[⟦j⟧]*A[j]')*Z\n${heads("")}` },
  { code: "SRR2015", what: "a lemma with sides of two shapes", text: `lemma l(X: real[d, n]): ⟦X⟧ ~ X'\n${heads("")}` },
  { code: "SRR2023", what: "a name that means something everywhere", text: "network N { dim d = 3 const ⟦layer⟧ = 2 input x: real[d] output z: real[d] = x }" },
  { code: "SRR2007", what: "a parameter that no memory holds", text: "network N { dim d = 300000, n = 4, K = 3 index k in 1..K input X: real[d, n] layer l repeat 2 { param ⟦W⟧[k]: real[d, 4*d] param V: real[d, d] } output z: real[d, n] = X }" },
  { code: "SRR2015", what: "an index in a lemma's condition that its left side has not", text: `lemma l(X: real[n, n], B[j]: real): inv(I + X) ~ I - X when norm_spec(X) < B[⟦j⟧]\n${heads("")}` },
  { code: "SRR2015", what: "a lemma that is not given what its left side has not", text: `lemma l(X: real[d, p], W: real[d, p]): X*X' ~ W*W'\n${heads("using ⟦l⟧")}` },
  { code: "SRR2016", what: "an optimizer that is not there", text: "network N { dim q = 3 input y: real[q] target t: real[q] param W: real[q, q] output z: real[q] = W*y train { data mnist loss mse(z, t) optimizer ⟦adamax(rate: 1)⟧ batch 4 epochs 1 } }" },
  { code: "SRR2016", what: "an option of an optimizer without its name", text: trained("optimizer sgd(0.1, ⟦0.9⟧)") },
  { code: "SRR2016", what: "an argument that is given twice", text: trained("augment random_crop(2, ⟦padding: 3⟧)") },
  { code: "SRR2016", what: "a schedule with two lengths", text: trained("rate warmup(1, ⟦2⟧) then cosine") },
  { code: "SRR2016", what: "a run with two lengths", text: trained("optimizer sgd(rate: 0.1) epochs 1 ⟦steps 10⟧") },
  { code: "SRR2016", what: "a seed beyond 32 bits", text: trained("seed ⟦4294967296⟧") },
  { code: "SRR2016", what: "a metric that does not fit its values", text: trained("metric mse(z, t), ⟦mse(z, c)⟧, accuracy(z, c)") },
  { code: "SRR2016", what: "a metric of scores for what has no labels", text: trained("metric mse(y, z), ⟦perplexity(z, t)⟧") },
  { code: "SRR2017", what: "an assignment to what is no variable", text: lasso("step s { minimize sq_norm(x) by gradient(rate: 0.1) } ⟦y⟧ = y") },
  { code: "SRR2017", what: "an index in a slice", text: heads("then Z + sum(k) Z[⟦k⟧, :]*Z'*Z") },
  { code: "SRR3001", what: "a lemma that matches nothing", text: `lemma nothing(X: real[n, n]): inv(I + X) ~ I - X\n${heads("using ⟦nothing⟧")}` },
  { code: "SRR3002", what: "a gradient that does not exist", text: lasso("step s { minimize 0.5*sq_norm(y - A*x) + ⟦norm0(x)⟧^2 by gradient(rate: 0.1) }") },
  { code: "SRR3003", what: "a gradient step on a nonsmooth term", text: step("minimize 0.5*sq_norm(y - A*x) + lambda*⟦norm1(x)⟧ by gradient(rate: 0.1)") },
  { code: "SRR3004", what: "a term outside of the proximal table", text: step("minimize 0.5*sq_norm(y - A*x) + lambda*⟦norm1(A*x)⟧ by proximal_gradient(rate: 0.1)") },
  { code: "SRR3004", what: "terms of two arguments", text: step("minimize 0.5*sq_norm(y - A*x) + ⟦norm1(x)⟧ + nonnegative(x - A'*y) by proximal_gradient(rate: 0.1)") },
  { code: "SRR3013", what: "a penalty whose const is negative", text: lasso("step s { minimize 0.5*sq_norm(y - A*x) + 2*lambda*⟦norm1(x)⟧ by proximal_gradient(rate: 0.1) }", head.replace("lambda = 0.1", "lambda = -0.1")) },
  { code: "SRR3013", what: "a penalty whose let is negative", text: lasso("step s { minimize ⟦total(abs(x))⟧*w by proximal(rate: 0.1) }", `${head.replace("lambda = 0.1", "lambda = -0.1")} let w = lambda/q`) },
  { code: "SRR3013", what: "a negative penalty in prox", text: step("minimize 0.5*sq_norm(y - A*x) + prox(-0.1*⟦norm1(x)⟧) by proximal_gradient(rate: 0.1)") },
  { code: "SRR3005", what: "an exact step on what is not quadratic", text: step("minimize total(exp(x)) + 0.5*sq_norm(y - A*x) by ⟦exact⟧") },
  { code: "SRR3006", what: "a singular Hessian", text: step("minimize ⟦0.5*sq_norm(y - A*x)⟧ by exact") },
  { code: "SRR3006", what: "a maximised convex function", text: step("maximize ⟦0.5*sq_norm(x - A'*y)⟧ by exact") },
  { code: "SRR3007", what: "a capture that is not in the update", text: step("minimize 0.5*sq_norm(y - A*x) by gradient(rate: 0.1) capture ⟦E = inv(I + A'*A)⟧") },
  { code: "SRR3008", what: "an objective without the variable", text: step("minimize ⟦0.5*sq_norm(y)⟧ by gradient(rate: 0.1)") },
  { code: "SRR3009", what: "an update that was not expected", text: step("minimize 0.5*sq_norm(y - A*x) by gradient(rate: 0.1) expect ⟦x + 0.1*A'*(A*x - y)⟧") },
  { code: "SRR3010", what: "an identity that fails", text: `lemma ⟦wrong⟧(A: real[m, n], B: real[n, m]): inv(I + A*B)*A = A*inv(I - B*A)\n${heads("")}` },
  { code: "SRR3010", what: "an identity that fails off the masked entries", text: `lemma ⟦wrong⟧(S: real[n, n]): causal(S) = causal(3*S)\n${heads("")}` },
  { code: "SRR3010", what: "an identity that fails in a column of its own number", text: `lemma ⟦wrong⟧(Z: real[d, n]): colsum(Z[:, 5..6]) = 2*colsum(Z[:, 5..6])\n${heads("")}` },
  { code: "SRR3014", what: "an identity of what is never finite", text: `lemma ⟦nowhere⟧(x: real[n]): log(-x.^2) = log(-x.^4)\n${heads("")}` },
  { code: "SRR3009", what: "an update that was not expected, beside a column of its own number", text: "network N { dim d = 5, n = 7 input X: real[d, n] var Z: real[d, n] = X layer l repeat 1 { step s { minimize 0.5*sq_norm(Z - stop(Z[:, 6])*ones(n)') by gradient(rate: 0.5) expect ⟦Z - 0.4*(Z - Z[:, 6]*ones(n)')⟧ } } output z: real[d, n] = Z }" },
  { code: "SRR3013", what: "a penalty that is maximised", text: step("maximize ⟦norm1(x)⟧ - 0.5*sq_norm(y - A*x) by proximal_gradient(rate: 0.1)") },
  { code: "SRR4001", what: "a target that is left in the update", text: "network N { dim d = 2, m = batch input x: real[d, m] target t: class[2] var Z: real[d, m] = x layer l repeat 1 { step s { minimize 0.5*sq_norm(Z*diag(⟦t⟧ == 1)) by gradient(rate: 0.1) } } output z: real[d, m] = Z train { data mnist construct } }" },
  { code: "SRR4001", what: "a target that an output is computed from", text: trained("").replace("= W*y", "= W*y + ⟦t⟧") },
  { code: "SRR4001", what: "a target that an inner variable starts from", text: "network N { dim d = 4 input x: real[d] target y: real[d] let shift = 2*y var Z: real[d] = x layer l repeat 2 { step s { minimize 0.5*sq_norm(Z - A) over A: real[d] from ⟦y⟧ by gradient(rate: 0.1) then A } } output o: real[d] = Z }" },
  { code: "SRR4002", what: "samples that are mixed", text: "network N { dim d = 2, m = batch input x: real[d, m] var Z: real[d, m] = x layer l repeat 1 { step ⟦s⟧ { minimize 0.5*sq_norm(Z*Z') by gradient(rate: 0.1) } } output z: real[d, m] = Z train { data mnist construct } }" },
  { code: "SRR4003", what: "a parameter of unknown size", text: "network N { dim d = 2, n input X: real[d, n] param ⟦W⟧: real[n, d] output z: real[n, n] = W*X }" },
  { code: "SRR4004", what: "an inner variable without `then`", text: step("minimize 0.5*sq_norm(A'*y - A'*a) over ⟦a⟧: real[m] from 0 by gradient(rate: 0.1)") },
];
