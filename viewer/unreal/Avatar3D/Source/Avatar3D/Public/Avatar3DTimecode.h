// Which times of a stream are time codes. Nothing here needs the engine, so that it is tested without one.

#pragma once

#include <cstdint>

namespace Avatar3D
{
	/** Whether a moment of a stream can be counted in its frames: the engine counts in int32, and a sender may say any number. */
	inline bool IsTimecode(double Seconds, std::uint32_t Numerator, std::uint32_t Denominator)
	{
		constexpr double Most = 2147483647.0;
		const double Frames = Seconds * Numerator / Denominator;
		return Numerator > 0 && Denominator > 0 && Numerator <= Most && Denominator <= Most && Frames >= 0.0 && Frames < Most;
	}
}
