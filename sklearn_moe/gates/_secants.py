"""Steps of L-BFGS, which go on from M-step to M-step of a softmax gate."""

from dataclasses import dataclass

import numpy as np

# So many steps are remembered.
MEMORY = 20


@dataclass(frozen=True)
class Secants:
    """What the last steps have shown of the curvature of the mean cross-entropy.

    The targets enter its gradient as a constant: along a step this changes by the same
    for any of them, so that what one M-step of EM has seen holds in all that follow.
    The penalty, whose strength may change, is left out.

    Attributes
    ----------
    pairs : tuple of (ndarray, ndarray)
        The last steps, each of shape (n_classes, n_features + 1), and the changes of
        the gradient along them.
    """

    pairs: tuple = ()

    def with_step(self, step, change):
        """The same with one step more; the oldest of too many is forgotten."""
        return Secants((*self.pairs, (step, change))[-MEMORY:])

    def direction(self, gradient, ridge, solve):
        """Solve the Newton equations for the curvature that was seen [1]_.

        Parameters
        ----------
        gradient : ndarray of shape (n_classes, n_features + 1)
            Of the penalised objective.
        ridge : ndarray of shape (n_features + 1,)
            Strength of the L2 penalty on each column of the parameters.
        solve : callable
            ``solve(gradient)`` solves them for a curvature to begin with.

        Returns
        -------
        direction : ndarray of shape (n_classes, n_features + 1)

        References
        ----------
        .. [1] J. Nocedal and S. J. Wright (2006). Numerical Optimization, 2nd edition.
           Springer, algorithm 7.4.
        """
        seen = []
        for step, change in self.pairs:
            penalised = change + ridge * step
            curvature = np.vdot(step, penalised)
            # Rounding, or a load-balancing loss, may hide that it is positive.
            if curvature > np.finfo(np.float64).eps * np.vdot(penalised, penalised):
                seen.append((step, penalised, curvature))
        rest, lengths = gradient.copy(), []
        for step, change, curvature in reversed(seen):
            lengths.append(np.vdot(step, rest) / curvature)
            rest -= lengths[-1] * change
        direction = solve(rest)
        if seen:
            _, change, curvature = seen[-1]
            direction *= curvature / np.vdot(change, solve(change))
        for step, change, curvature in seen:
            length = lengths.pop() - np.vdot(change, direction) / curvature
            direction += length * step
        return direction


NO_SECANTS = Secants()
