# SPDX-License-Identifier: Apache-2.0
#
# Members that the stub leaves out: only the collector of cycles calls a finalizer.

.*\.__del__:
