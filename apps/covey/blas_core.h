/* SPDX-License-Identifier: MIT
 *
 * blas_core.h - a program starts itself again when OpenBLAS took a processor for an older one.
 */
#ifndef COVEY_BLAS_CORE_H
#define COVEY_BLAS_CORE_H

/* First thing in main(): sets OPENBLAS_CORETYPE and starts the program again, same process, same
 * arguments, if that makes OpenBLAS faster (blas.h). At most once; never where the variable is set
 * already. Goes on with what there is if that fails. */
void covey__blas_core_correct(char **argv);

#endif /* COVEY_BLAS_CORE_H */
