#pragma once

#include "Misc/FrameRate.h"

struct FQualifiedFrameTime
{
	FFrameTime Time;
	FFrameRate Rate;
	FQualifiedFrameTime();
	FQualifiedFrameTime(const FFrameTime& InTime, const FFrameRate& InRate);
};
