// Whole files, for the programs of the tests.
#pragma once

#include <cstdio>
#include <vector>

inline std::vector<unsigned char> read_file(const char* path) {
    std::vector<unsigned char> data;
    if (std::FILE* file = std::fopen(path, "rb")) {
        unsigned char buffer[1 << 16];
        for (std::size_t got; (got = std::fread(buffer, 1, sizeof buffer, file)) > 0;) data.insert(data.end(), buffer, buffer + got);
        std::fclose(file);
    }
    return data;
}
