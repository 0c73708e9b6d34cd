/* The other source file of the program: the header it was compiled with is the library's. */
#include <carpool.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C"
#endif
    int
    versions_agree(void);

int versions_agree(void) {
    const uint32_t compiled = POOL_VERSION_MAJOR * 1000000 + POOL_VERSION_MINOR * 1000 + POOL_VERSION_PATCH;
    printf("version %s\n", pool_version_string());
    return pool_version() == compiled;
}
