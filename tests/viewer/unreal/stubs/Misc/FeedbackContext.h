#pragma once

#include "CoreMinimal.h"

class FFeedbackContext
{
public:
	template <typename Format, typename... Arguments>
	void Logf(ELogVerbosity::Type Verbosity, const Format& Text, Arguments... Given);
};
