"""Steps of L-BFGS, which go on from M-step to M-step of a softmax gate."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

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
        .. [1] R. H. Byrd, J. Nocedal and R. B. Schnabel (1994). Representations of
           quasi-Newton matrices and their use in limited memory methods. Mathematical
           Programming 63, 129-156, theorem 2.2.
        """
        if not self.pairs:
            return solve(gradient)
        steps, changes = np.array(self.pairs).swapaxes(0, 1)
        changes += ridge * steps
        shape, n_steps = gradient.shape, len(steps)
        steps, changes = steps.reshape(n_steps, -1), changes.reshape(n_steps, -1)
        curvatures = np.einsum("mp,mp->m", steps, changes)
        squares = np.einsum("mp,mp->m", changes, changes)
        # Rounding, or a load-balancing loss, may hide that they are positive.
        seen = curvatures > np.finfo(np.float64).eps * squares
        if not seen.any():
            return solve(gradient)
        if not seen.all():
            steps, changes, curvatures = steps[seen], changes[seen], curvatures[seen]
        # Of a later step and an earlier change nothing is asked.
        products = steps @ changes.T
        lengths, _ = lapack.dtrtrs(products, steps @ gradient.ravel())
        rest = solve(gradient - (lengths @ changes).reshape(shape)).ravel()
        last = changes[-1]
        rest *= curvatures[-1] / (last @ solve(last.reshape(shape)).ravel())
        lengths *= curvatures
        lengths -= changes @ rest
        lengths, _ = lapack.dtrtrs(products, lengths, trans=1)
        return (rest + lengths @ steps).reshape(shape)


NO_SECANTS = Secants()
