# mixtools, hmeEM: two linear experts, a gate of one feature.
source("em_mixtools.R")

gate <- unname(coef(glm((start == 1) ~ X, family = binomial)))
fit <- function(iterations) hmeEM(
  y, X, beta = beta, sigma = sigma, w = gate, k = k,
  epsilon = tolerance * length(y), maxit = iterations)
report(fit, describe)
