/* The service under test, the same for every supervisor: says when it began, then sleeps.
 *
 * probe [DIR]: appends one record of 16 bytes (CLOCK_MONOTONIC in nanoseconds, pid) to DIR/stamps, then writes
 * its pid to DIR/pid for supervisors that want a pid file. DIR is absolute, else the working directory: s6
 * gives every program the name of its service. With a further argument it goes on in the background, for monit,
 * which waits for what it starts.
 * Static, so that the loader's work is not in the measure. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);

    if (argc > 1 && argv[1][0] == '/' && chdir(argv[1]) != 0)
        return 2;
    if (argc > 2 && fork() != 0)
        return 0;
    int64_t record[2] = {now.tv_sec * INT64_C(1000000000) + now.tv_nsec, getpid()};
    int stamps = open("stamps", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (stamps < 0 || write(stamps, record, sizeof record) != sizeof record)
        return 3;
    close(stamps);

    char text[24];
    int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
    int pid = open("pid", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (pid < 0 || write(pid, text, length) != length)
        return 4;
    close(pid);

    for (;;)
        pause();
}
