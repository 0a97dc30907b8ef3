# flexmix: linear or Poisson experts, softmax gate.
source("em_common.R")
suppressMessages(library(flexmix))

features <- paste(colnames(X), collapse = " + ")
fit <- function(iterations) flexmix(
  as.formula(paste("y ~", features)), data = data, k = k, cluster = start,
  model = FLXMRglm(family = family),
  concomitant = FLXPmultinom(as.formula(paste("~", features))),
  control = list(tolerance = tolerance, minprior = 0, iter.max = iterations))
describe <- function(fitted) {
  if (fitted@k != k) stop("flexmix lost an expert")
  c(logLik(fitted), fitted@iter)
}
report(fit, describe)
