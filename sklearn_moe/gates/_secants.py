"""Secants of L-BFGS, which are reused from M-step to M-step of a softmax gate."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

# Number of steps that are kept.
MEMORY = 20


@dataclass(frozen=True)
class Secants:
    """The last steps, which approximate the Hessian of the mean cross-entropy.

    The targets only add a constant to the gradient of the cross-entropy. The change of
    the gradient along a step does therefore not depend on them, and the secants of one
    M-step are valid in all later ones. They exclude the penalty, whose strength may
    change.

    Attributes
    ----------
    pairs : tuple of (ndarray, ndarray)
        The steps, each of shape (n_classes, n_features + 1), and the changes of the
        gradient along them.
    """

    pairs: tuple = ()

    def with_step(self, step, change):
        """Return the secants with one more step, without the oldest if too many."""
        return Secants((*self.pairs, (step, change))[-MEMORY:])

    def direction(self, gradient, ridge, solve):
        """Solve the Newton equations with the L-BFGS approximation of the Hessian [1]_.

        Parameters
        ----------
        gradient : ndarray of shape (n_classes, n_features + 1)
            Gradient of the penalised objective.
        ridge : ndarray of shape (n_features + 1,)
            Strength of the L2 penalty on each column of the parameters.
        solve : callable
            ``solve(gradient)`` solves the equations with the initial Hessian.

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
        # The curvature may not be positive because of rounding or of a load-balancing
        # loss; such steps are left out.
        seen = curvatures > np.finfo(np.float64).eps * squares
        if not seen.any():
            return solve(gradient)
        if not seen.all():
            steps, changes, curvatures = steps[seen], changes[seen], curvatures[seen]
        # The solver uses the upper triangle only: products of steps and later changes.
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
