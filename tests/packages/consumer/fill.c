/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A job of the C interface: the card fills a buffer, and the program prints it.
 */
#include <accel.h>
#include <stdint.h>
#include <stdio.h>

int main(void)
{
    accel_error_t error = {.size = sizeof error};
    accel_device_t *card = NULL;
    accel_queue_t *queue = NULL;
    accel_buffer_t *buffer = NULL;
    accel_command_t *command = NULL;
    accel_job_t *job = NULL;
    void *data = NULL;
    int failed = 1;

    if (accel_device_open(NULL, &card, &error) != 0 ||
        accel_queue_create(card, NULL, &queue, &error) != 0 ||
        accel_buffer_allocate(card, 3 * sizeof(uint32_t), NULL, &buffer, &error) != 0)
        goto end;

    accel_fill_t fill = {.size = sizeof fill,
                         .dst = accel_at(buffer, 0),
                         .pattern = 7,
                         .bytes = 3 * sizeof(uint32_t)};
    if (accel_command_fill(&fill, &command, &error) != 0 ||
        accel_queue_submit(queue, command, &job, &error) != 0 ||
        accel_job_wait(job, ACCEL_FOREVER, &error) != 0 ||
        accel_buffer_data(buffer, &data, &error) != 0)
        goto end;

    const uint32_t *values = data;
    printf("fill: %u %u %u\n", (unsigned)values[0], (unsigned)values[1], (unsigned)values[2]);
    failed = 0;
end:
    if (failed)
        fprintf(stderr, "fill: %s\n", error.text);
    accel_job_free(job);
    accel_command_free(command);
    accel_buffer_free(buffer);
    accel_queue_destroy(queue);
    accel_device_close(card);
    return failed;
}
