# mixtools, regmixEM: linear experts with constant weights.
source("em_mixtools.R")

fit <- function(iterations) regmixEM(
  y, X, lambda = as.numeric(table(start)) / length(y), beta = beta, sigma = sigma,
  k = k, epsilon = tolerance * length(y), maxit = iterations)
report(fit, describe)
