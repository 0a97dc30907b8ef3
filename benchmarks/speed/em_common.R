# What the programs in R have in common: they are run by
#
#     Rscript em_flexmix.R DATA N_EXPERTS FAMILY TOLERANCE
#
# in this folder, and print seconds, log-likelihood and number of iterations as JSON. The
# data are a CSV file with the columns y, start (the cluster of each row, from 1) and the
# features.
arguments <- commandArgs(TRUE)
data <- read.csv(arguments[1])
k <- as.integer(arguments[2])
family <- arguments[3]
tolerance <- as.numeric(arguments[4])
start <- data$start
data$start <- NULL
X <- as.matrix(data[names(data) != "y"])
y <- data$y
set.seed(0)

# Take the time of fit(iterations), and print it with what describe(fitted) returns: the
# log-likelihood and the number of iterations. Before the clock starts, the data have been
# read, and two iterations have warmed the program up.
report <- function(fit, describe) {
  invisible(capture.output(fit(2)))
  time <- system.time(output <- capture.output(fitted <- fit(5000)))
  outcome <- describe(fitted)
  cat(sprintf('\n{"seconds": %.6f, "log_likelihood": %.10g, "n_iter": %d}\n',
              time[["user.self"]] + time[["sys.self"]], outcome[1],
              as.integer(outcome[2])))
}
