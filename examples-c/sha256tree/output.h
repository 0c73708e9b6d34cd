/* What sha256tree prints: results on stdout; complaints and, on a terminal, a progress bar on
 * stderr. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/* One line as sha256sum prints it. */
void print_digest(const unsigned char digest[32], const char *path);

/* Something is not as it should be; the rest is done nevertheless. */
void complain(const char *subject, const char *why);

/* Whether there were complaints. */
bool has_complained(void);

/* From here on there is a progress bar, if stderr is a terminal: whether it is. */
bool begin_bar(void);

/* Shows how much is done. To be called often: most calls do nothing. */
void draw_bar(uint64_t files, uint64_t files_of_all, uint64_t bytes);

/* Removes the bar and writes what is held back. */
void end_output(void);

/* The time in seconds since some moment. */
double seconds(void);

#endif
