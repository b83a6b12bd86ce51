/* SPDX-License-Identifier: MIT
 *
 * standard_files.h - a program that was started with its standard files closed.
 */
#ifndef COVEY_STANDARD_FILES_H
#define COVEY_STANDARD_FILES_H

/* First thing in main(): whatever of standard input, output and error is closed reads as /dev/null
 * and cannot be written. Else the next socket would have its number, and what is printed go there. */
void covey__standard_files_hold(void);

#endif /* COVEY_STANDARD_FILES_H */
