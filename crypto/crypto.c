#include "covey/crypto.h"
