#pragma once

#include "CoreMinimal.h"

struct FIPv4Endpoint
{
	static bool Parse(const FString& EndpointString, FIPv4Endpoint& OutEndpoint);
	FString ToString() const;
};
