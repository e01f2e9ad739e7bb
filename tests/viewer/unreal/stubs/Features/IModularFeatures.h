#pragma once

#include "CoreMinimal.h"

class IModularFeature {};

class IModularFeatures
{
public:
	static IModularFeatures& Get();
	virtual bool IsModularFeatureAvailable(const FName Type) const = 0;
	template <typename T>
	T& GetModularFeature(const FName Type);
};
